import Platform

/// One write to the database, as an entry's payload holds it.
public enum WriteOperation: Equatable, Sendable {
    case put(key: [UInt8], value: [UInt8])
    case delete(key: [UInt8])
    /// All keys in `[from, to)`.
    case deleteRange(from: [UInt8], to: [UInt8])
}

/// Writes in the format of a RocksDB batch without its 12-byte header: a tag, then byte strings
/// with their lengths as varints (`rocksdb/db/write_batch.cc` documents it; the format is part of
/// RocksDB's on-disk compatibility). We write it ourselves so that the bytes of the log are applied
/// as they are, and read it back to check and to show them.
public struct WriteOperations: Equatable, Sendable {
    public private(set) var bytes: [UInt8] = []
    public private(set) var count: UInt32 = 0

    static let tagDelete: UInt8 = 0x00
    static let tagPut: UInt8 = 0x01
    static let tagDeleteRange: UInt8 = 0x0F

    public init() {}

    public mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        add(WriteOperations.tagPut, key, value)
    }

    public mutating func delete(_ key: [UInt8]) {
        add(WriteOperations.tagDelete, key, nil)
    }

    public mutating func deleteRange(from start: [UInt8], to end: [UInt8]) {
        add(WriteOperations.tagDeleteRange, start, end)
    }

    public mutating func append(_ operation: WriteOperation) {
        switch operation {
        case .put(let key, let value): put(key, value)
        case .delete(let key): delete(key)
        case .deleteRange(let from, let to): deleteRange(from: from, to: to)
        }
    }

    private mutating func add(_ tag: UInt8, _ first: [UInt8], _ second: [UInt8]?) {
        bytes.append(tag)
        appendCounted(first)
        if let second { appendCounted(second) }
        count += 1
    }

    private mutating func appendCounted(_ more: [UInt8]) {
        var rest = UInt32(more.count)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        bytes.append(contentsOf: more)
    }

    /// Reads the operations in a range of bytes; nil when they are not exactly `count` whole ones.
    public static func decode(
        _ bytes: [UInt8], in range: Range<Int>, count: UInt32
    ) -> [WriteOperation]? {
        var reader = ByteReader(bytes, in: range)
        var operations: [WriteOperation] = []
        for _ in 0..<count {
            guard let tag: UInt8 = reader.little(), let first = reader.counted() else { return nil }
            switch tag {
            case tagDelete:
                operations.append(.delete(key: first))
            case tagPut:
                guard let value = reader.counted() else { return nil }
                operations.append(.put(key: first, value: value))
            case tagDeleteRange:
                guard let end = reader.counted() else { return nil }
                operations.append(.deleteRange(from: first, to: end))
            default:
                return nil
            }
        }
        return reader.isAtEnd ? operations : nil
    }

    /// What writes of a data entry are besides whole.
    struct DataWrites: Equatable {
        /// Some of them are of ``KeyPrefix/answers``.
        var hasAnswers = false
    }

    /// Whether a range of bytes holds exactly `count` whole puts and deletes of data keys, of lines of
    /// the index of expiries, or of answers; nil if not. RocksDB would only find out after some of them
    /// are visible. Reads no more than tags, lengths and prefixes.
    static func dataWrites(_ bytes: [UInt8], in range: Range<Int>, count: UInt32) -> DataWrites? {
        var reader = ByteReader(bytes, in: range)
        var found = DataWrites()
        for _ in 0..<count {
            guard let tag: UInt8 = reader.little() else { return nil }
            let strings: Int
            switch tag {
            case tagDelete: strings = 1
            case tagPut: strings = 2
            default: return nil
            }
            for string in 0..<strings {
                guard let length = reader.varint32() else { return nil }
                if string == 0 {
                    guard reader.remaining > 0 else { return nil }
                    switch bytes[reader.offset] {
                    case KeyPrefix.data where length >= UInt32(Key.dataPrefixBytes): break
                    case KeyPrefix.expiry where length >= UInt32(ExpiryKey.prefixBytes): break
                    case KeyPrefix.answers where length >= 2: found.hasAnswers = true
                    default: return nil
                    }
                }
                guard reader.skip(Int(length)) else { return nil }
            }
        }
        return reader.isAtEnd ? found : nil
    }
}
