/// Reads numbers and byte strings from a buffer, each read checked against its end.
public struct ByteReader: Sendable {
    public let bytes: [UInt8]
    public let end: Int
    @usableFromInline var at: Int

    public var offset: Int { at }

    public init(_ bytes: [UInt8]) { self.init(bytes, in: 0..<bytes.count) }

    public init(_ bytes: [UInt8], in range: Range<Int>) {
        invariant(range.upperBound <= bytes.count, "range \(range) beyond \(bytes.count) bytes")
        self.bytes = bytes
        self.at = range.lowerBound
        self.end = range.upperBound
    }

    @inlinable public var remaining: Int { end - at }
    public var isAtEnd: Bool { at == end }

    public mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, count <= remaining else { return false }
        at += count
        return true
    }

    /// A little-endian integer; nil when fewer bytes are left.
    @inlinable  // Else called through witness tables: ten times slower.
    public mutating func little<Word: FixedWidthInteger & UnsignedInteger>(
        _: Word.Type = Word.self
    ) -> Word? {
        guard remaining >= MemoryLayout<Word>.size else { return nil }
        defer { at += MemoryLayout<Word>.size }
        return bytes.withUnsafeBytes {
            Word(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Word.self))
        }
    }

    /// A big-endian integer; nil when fewer bytes are left.
    @inlinable
    public mutating func big<Word: FixedWidthInteger & UnsignedInteger>(
        _: Word.Type = Word.self
    ) -> Word? {
        little(Word.self).map { Word(littleEndian: $0).byteSwapped }.map { Word($0) }
    }

    /// The next `count` bytes; nil when fewer are left.
    public mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= remaining else { return nil }
        defer { at += count }
        return Array(bytes[at..<at + count])
    }

    /// A LEB128 number of at most 32 bits, as RocksDB writes lengths.
    public mutating func varint32() -> UInt32? {
        var value: UInt32 = 0
        var shift: UInt32 = 0
        while shift <= 28 {
            guard let byte: UInt8 = little() else { return nil }
            value |= UInt32(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }

    /// The hash as ``ByteWriter`` wrote it.
    public mutating func hash128() -> Hash128? {
        guard let high: UInt64 = big(), let low: UInt64 = big() else { return nil }
        return Hash128(high: high, low: low)
    }

    /// A byte string with its length before it, as ``ByteWriter/appendCounted(_:)-(String)`` writes.
    public mutating func counted() -> [UInt8]? {
        guard let count = varint32() else { return nil }
        return take(Int(count))
    }

    /// Like ``counted()``, as text; nil also when it is not UTF-8.
    public mutating func countedText() -> String? {
        counted().flatMap { String(validating: $0, as: UTF8.self) }
    }
}

/// Appends numbers and byte strings to a buffer.
public struct ByteWriter: Sendable {
    public var bytes: [UInt8] = []

    public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    @inlinable
    public mutating func little<Word: FixedWidthInteger>(_ word: Word) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }

    @inlinable
    public mutating func big<Word: FixedWidthInteger>(_ word: Word) {
        withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
    }

    public mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }

    public mutating func varint32(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    public mutating func hash128(_ hash: Hash128) {
        big(hash.high)
        big(hash.low)
    }

    public mutating func appendCounted(_ more: [UInt8]) {
        varint32(UInt32(more.count))
        append(more)
    }

    public mutating func appendCounted(_ text: String) { appendCounted(Array(text.utf8)) }

    /// Overwrites bytes already written.
    public mutating func overwriteLittle<Word: FixedWidthInteger>(at offset: Int, _ word: Word) {
        invariant(offset + MemoryLayout<Word>.size <= bytes.count, "overwrite beyond the end")
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: word.littleEndian, toByteOffset: offset, as: Word.self)
        }
    }
}
