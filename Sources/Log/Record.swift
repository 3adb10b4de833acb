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
    public let position: Position
    /// The chain hash of the entry before: what ``position``'s hash was computed over.
    public let previousHash: Hash128
    public let reign: Reign
    public let kind: EntryKind
    /// Of the payload's format, by kind.
    public let version: UInt8
    /// Never below the record's before. The only clock that the state may depend on.
    public let time: UnixMilliseconds
    public let payload: [UInt8]

    /// Makes the entry that follows `previous`, and computes its hash.
    ///
    /// The payload is at most ``payloadBytesMax`` long; more stops the process.
    public init(
        after previous: Position, reign: Reign, kind: EntryKind, version: UInt8 = 1,
        time: UnixMilliseconds, payload: [UInt8]
    ) {
        invariant(payload.count <= Record.payloadBytesMax, "payload of \(payload.count) bytes")
        let head = RecordHeader(
            size: Record.headerBytes + payload.count, index: previous.index.next, reign: reign,
            kindCode: kind.rawValue, version: version, time: time, hash: .zero)
        self.init(
            head.hashed(after: previous.hash, payload), kind: kind, after: previous.hash,
            payload: payload)
    }

    /// A record whose hash is known to be right.
    init(_ header: RecordHeader, kind: EntryKind, after previousHash: Hash128, payload: [UInt8]) {
        self.position = Position(index: header.index, hash: header.hash)
        self.previousHash = previousHash
        self.reign = header.reign
        self.kind = kind
        self.version = header.version
        self.time = header.time
        self.payload = payload
    }

    /// Bytes before the payload.
    public static let headerBytes = 4 + 8 + 4 + 2 + 1 + 1 + 8 + 16
    /// The largest record, header included.
    public static let bytesMax = 64 << 20
    /// The largest payload.
    public static let payloadBytesMax = bytesMax - headerBytes

    public var encodedBytes: Int { Record.headerBytes + payload.count }

    /// The bytes of the record, as they go to disk and over the wire.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: encodedBytes)
        encode(into: &writer)
        return writer.bytes
    }

    func encode(into writer: inout ByteWriter) {
        RecordHeader(
            size: encodedBytes, index: position.index, reign: reign, kindCode: kind.rawValue,
            version: version, time: time, hash: position.hash
        ).encode(into: &writer)
        writer.append(payload)
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
    /// Its hash is right, so it is no damage: a newer version of Convoy wrote it.
    case unknownKind(UInt8)
    /// Its hash is right, but time or reign are below those of the record before.
    case goesBack(index: LogIndex)

    /// Whether a write that was cut short, or a sector that never reached the disk, can be the cause.
    var canBeTorn: Bool {
        switch self {
        case .incomplete, .badLength, .wrongIndex, .wrongHash: true
        case .unknownKind, .goesBack: false
        }
    }

    /// A clause for a sentence that begins with where it is.
    public var words: String {
        switch self {
        case .incomplete(let needed): "the bytes end inside a record of at least \(needed) bytes"
        case .badLength(let length): "no record is \(length) bytes long"
        case .wrongIndex(let expected, let found):
            "a record says it is entry \(found) where entry \(expected) should stand"
        case .wrongHash(let index): "the hash of entry \(index) does not match its bytes"
        case .unknownKind(let code): "an entry is of kind \(code), which this version does not know"
        case .goesBack(let index): "the time or the reign of entry \(index) goes back"
        }
    }
}

extension Record {
    /// Reads and verifies the record at `offset`, which must follow `previous`.
    ///
    /// - Returns: The record; it took `encodedBytes` bytes.
    public static func decode(
        _ bytes: [UInt8], at offset: Int, after previous: Position
    ) throws(RecordFault) -> Record {
        let header = try RecordHeader(verifying: bytes, at: offset, after: previous)
        return try Record(header, of: bytes, at: offset, after: previous)
    }

    /// The record whose verified header stands at `offset`.
    init(
        _ header: RecordHeader, of bytes: [UInt8], at offset: Int, after previous: Position
    ) throws(RecordFault) {
        guard let kind = EntryKind(rawValue: header.kindCode) else {
            throw .unknownKind(header.kindCode)
        }
        self.init(
            header, kind: kind, after: previous.hash,
            payload: Array(bytes[offset + Record.headerBytes..<offset + header.size]))
    }
}
