public import Platform

/// What an entry does. On disk and on the wire: never renumber.
public enum EntryKind: UInt8, Sendable, CaseIterable {
    /// Entry 1 of a lineage.
    case birth = 1
    /// Writes to keys of namespaces.
    case data = 2
    /// Namespaces, tokens, operations.
    case catalog = 3
    /// The topology document and nodes.
    case topology = 4
    /// The last entry of a reign, which names the next one.
    case handover = 5
    /// Nothing but a position.
    case barrier = 6
    /// A checkpoint of digests.
    case verify = 7
}

/// One entry as it stands in the log. The chain hash is its checksum, too.
///
/// Little-endian layout; `docs/internals/data-format.md` specifies it:
///
///     length u32 | index u64 | term u32 | holder u16 | kind u8 | version u8 | time u64 | hash 16 | payload
///
/// `length` counts what follows it. The hash covers the hash before, the 28 bytes from `length` to
/// `time`, and the payload.
public struct Record: Equatable, Sendable {
    public var position: Position
    public var reign: Reign
    public var kind: EntryKind
    /// Of the payload's format, by kind.
    public var version: UInt8
    /// Never below the record's before. The only clock that the state may depend on.
    public var time: UnixMilliseconds
    public var payload: [UInt8]

    /// Makes the entry that follows `previous`, and computes its hash.
    public init(
        after previous: Position, reign: Reign, kind: EntryKind, version: UInt8 = 1,
        time: UnixMilliseconds, payload: [UInt8]
    ) {
        self.position = Position(index: previous.index.next, hash: .zero)
        self.reign = reign
        self.kind = kind
        self.version = version
        self.time = time
        self.payload = payload
        let encoded = encodedWithoutHash()
        self.position.hash = Record.hash(of: encoded, in: 0..<encoded.count, after: previous.hash)
    }

    init(
        position: Position, reign: Reign, kind: EntryKind, version: UInt8, time: UnixMilliseconds,
        payload: [UInt8]
    ) {
        self.position = position
        self.reign = reign
        self.kind = kind
        self.version = version
        self.time = time
        self.payload = payload
    }

    /// Bytes before the payload.
    public static let headerBytes = 4 + 8 + 4 + 2 + 1 + 1 + 8 + 16
    /// The largest record, header included.
    public static let bytesMax = 64 << 20
    /// The largest payload.
    public static let payloadBytesMax = bytesMax - headerBytes

    static let hashOffset = headerBytes - 16

    public var encodedBytes: Int { Record.headerBytes + payload.count }

    /// The bytes of the record, as they go to disk and over the wire.
    public func encode() -> [UInt8] {
        var bytes = encodedWithoutHash()
        var hash = ByteWriter(capacity: 16)
        hash.hash128(position.hash)
        bytes.replaceSubrange(Record.hashOffset..<Record.headerBytes, with: hash.bytes)
        return bytes
    }

    private func encodedWithoutHash() -> [UInt8] {
        invariant(payload.count <= Record.payloadBytesMax, "payload of \(payload.count) bytes")
        var writer = ByteWriter(capacity: encodedBytes)
        writer.little(UInt32(encodedBytes - 4))
        writer.little(position.index.rawValue)
        writer.little(reign.term)
        writer.little(reign.holder.rawValue)
        writer.little(kind.rawValue)
        writer.little(version)
        writer.little(time.rawValue)
        writer.hash128(.zero)
        writer.append(payload)
        return writer.bytes
    }

    /// The chain hash of the encoded record at `range`, whatever its hash field holds.
    static func hash(of bytes: [UInt8], in range: Range<Int>, after previous: Hash128) -> Hash128 {
        Hash128(
            chaining: previous, bytes,
            range.lowerBound..<range.lowerBound + hashOffset,
            range.lowerBound + headerBytes..<range.upperBound)
    }
}

/// What is wrong with bytes that should be a record.
public enum RecordFault: Error, Equatable, Sendable {
    /// The bytes end before the record does: `needed` in all. More may come.
    case incomplete(needed: Int)
    /// The length is not one that a record can have.
    case badLength(UInt32)
    /// Index `found` where `expected` should stand.
    case wrongIndex(expected: LogIndex, found: LogIndex)
    /// Hash or history differ from what precedes.
    case wrongHash(index: LogIndex)
    /// Written by a newer version of Convoy, or damaged in a way that its hash also covers.
    case unknownKind(UInt8)
    /// Time or reign go back.
    case goesBack(index: LogIndex)
}

extension Record {
    /// Reads and verifies the record at `offset`, which must follow `previous`.
    ///
    /// - Returns: The record; it took `encodedBytes` bytes.
    public static func decode(
        _ bytes: [UInt8], at offset: Int, after previous: Position
    ) throws(RecordFault) -> Record {
        var reader = ByteReader(bytes, in: offset..<bytes.count)
        let length: UInt32 = try need(reader.little(), headerBytes)
        guard length >= UInt32(headerBytes - 4), length <= UInt32(bytesMax - 4) else {
            throw .badLength(length)
        }
        let size = Int(length) + 4
        guard bytes.count - offset >= size else { throw .incomplete(needed: size) }

        let index = LogIndex(try need(reader.little(), size))
        guard index == previous.index.next else {
            throw .wrongIndex(expected: previous.index.next, found: index)
        }
        let reign = Reign(
            term: try need(reader.little(), size),
            holder: NodeNumber(rawValue: try need(reader.little(), size)))
        let kindCode: UInt8 = try need(reader.little(), size)
        let version: UInt8 = try need(reader.little(), size)
        let time = UnixMilliseconds(rawValue: try need(reader.little(), size))
        let hash = try need(reader.hash128(), size)
        let expected = Record.hash(of: bytes, in: offset..<offset + size, after: previous.hash)
        guard hash == expected else { throw .wrongHash(index: index) }
        guard let kind = EntryKind(rawValue: kindCode) else { throw .unknownKind(kindCode) }
        return Record(
            position: Position(index: index, hash: hash), reign: reign, kind: kind,
            version: version, time: time,
            payload: try need(reader.take(size - headerBytes), size))
    }

    private static func need<Value>(_ value: Value?, _ size: Int) throws(RecordFault) -> Value {
        guard let value else { throw .incomplete(needed: size) }
        return value
    }
}
