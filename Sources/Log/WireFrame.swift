public import Platform

/// What a primary's stream carries: records, and between them frames that are only on the wire.
///
/// A frame that is no record is laid out as one and hashed as one, over the hash of the last record
/// streamed, so that damage is seen. Its index is that record's, and it moves no position.
public enum WireFrame: Sendable, Equatable {
    case record(Record)
    /// Once a second, and when the origin's position is news.
    case heartbeat(HeartbeatPayload)
    /// The sender waits for an acknowledgement: send one at once.
    case ackWanted

    /// On the wire: never renumber. Below this, a kind is a record's.
    static let firstKindCode: UInt8 = 0x80
    static let heartbeatKindCode: UInt8 = 0x80
    static let ackWantedKindCode: UInt8 = 0x81

    /// The frame's bytes, when `position` is that of the last record streamed. A record has its own.
    public func encode(after position: Position) -> [UInt8] {
        switch self {
        case .record(let record):
            return record.encode()
        case .heartbeat(let heartbeat):
            return WireFrame.encode(
                WireFrame.heartbeatKindCode, reign: heartbeat.reign, time: heartbeat.originTime,
                heartbeat.encode(), after: position)
        case .ackWanted:
            let none = Reign(term: 0, holder: NodeNumber(rawValue: 0))
            return WireFrame.encode(
                WireFrame.ackWantedKindCode, reign: none, time: UnixMilliseconds(rawValue: 0), [],
                after: position)
        }
    }

    private static func encode(
        _ kindCode: UInt8, reign: Reign, time: UnixMilliseconds, _ payload: [UInt8],
        after position: Position
    ) -> [UInt8] {
        let header = RecordHeader(
            size: Record.headerBytes + payload.count, index: position.index, reign: reign,
            kindCode: kindCode, version: 1, time: time, hash: .zero)
        var writer = ByteWriter(capacity: header.size)
        header.hashed(after: position.hash, payload).encode(into: &writer)
        writer.append(payload)
        return writer.bytes
    }

    /// How long a frame of this kind is.
    static func size(ofKind code: UInt8) throws(RecordFault) -> Int {
        switch code {
        case heartbeatKindCode: Record.headerBytes + HeartbeatPayload.bytes
        case ackWantedKindCode: Record.headerBytes
        default: throw .unknownKind(code)
        }
    }

    /// The frame that is no record at `offset`; its bytes are verified.
    init(_ header: RecordHeader, of bytes: [UInt8], at offset: Int) throws(RecordFault) {
        switch header.kindCode {
        case WireFrame.heartbeatKindCode:
            var reader = ByteReader(bytes, in: offset + Record.headerBytes..<offset + header.size)
            guard let heartbeat = HeartbeatPayload(header, &reader) else {
                throw .badLength(UInt32(header.size - 4))
            }
            self = .heartbeat(heartbeat)
        case WireFrame.ackWantedKindCode:
            self = .ackWanted
        default:
            throw .unknownKind(header.kindCode)
        }
    }
}

/// Where the *origin* stood, the node that holds the reign: a cascade relays it, with its age.
public struct HeartbeatPayload: Sendable, Equatable {
    public var lineage: Lineage
    /// The origin's last entry.
    public var originPosition: Position
    /// The origin's clock when it said so.
    public var originTime: UnixMilliseconds
    public var reign: Reign
    /// Of the topology document.
    public var generation: UInt64
    /// The last entry that changed the catalog, and the catalog's digest as of it.
    public var catalogIndex: LogIndex
    public var catalogDigest: Hash128
    /// How long ago the origin said this; 0 when it is the sender.
    public var ageMilliseconds: UInt32

    public init(
        lineage: Lineage, originPosition: Position, originTime: UnixMilliseconds, reign: Reign,
        generation: UInt64, catalogIndex: LogIndex, catalogDigest: Hash128, ageMilliseconds: UInt32
    ) {
        self.lineage = lineage
        self.originPosition = originPosition
        self.originTime = originTime
        self.reign = reign
        self.generation = generation
        self.catalogIndex = catalogIndex
        self.catalogDigest = catalogDigest
        self.ageMilliseconds = ageMilliseconds
    }

    static let bytes = 16 + 8 + 16 + 8 + 8 + 16 + 4

    /// Reign and time are in the frame's header.
    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: HeartbeatPayload.bytes)
        writer.hash128(lineage.id)
        writer.little(originPosition.index.rawValue)
        writer.hash128(originPosition.hash)
        writer.little(generation)
        writer.little(catalogIndex.rawValue)
        writer.hash128(catalogDigest)
        writer.little(ageMilliseconds)
        return writer.bytes
    }

    init?(_ header: RecordHeader, _ reader: inout ByteReader) {
        guard let lineage = reader.hash128(), let index: UInt64 = reader.little(),
            let hash = reader.hash128(), let generation: UInt64 = reader.little(),
            let catalogIndex: UInt64 = reader.little(), let digest = reader.hash128(),
            let age: UInt32 = reader.little(), reader.isAtEnd
        else { return nil }
        self.init(
            lineage: Lineage(id: lineage),
            originPosition: Position(index: LogIndex(index), hash: hash), originTime: header.time,
            reign: header.reign, generation: generation, catalogIndex: LogIndex(catalogIndex),
            catalogDigest: digest, ageMilliseconds: age)
    }
}
