public import Log
public import Platform

/// What the state says of itself: which entries it holds, and what the next entry needs to know.
/// Written in the same batch as every entry.
public struct StateHeader: Equatable, Sendable {
    /// Of the last entry applied.
    public var position: Position
    /// Of the last entry applied. ``Lineage`` of an empty state is all zeros.
    public var lineage: Lineage
    public var reign: Reign
    /// Of the last entry applied.
    public var time: UnixMilliseconds
    /// The sum of the hashes of all catalog records.
    public var catalogDigest: Hash128
    /// The last entry that changed the catalog.
    public var catalogIndex: LogIndex

    static let formatVersion: UInt8 = 1

    /// Before entry 1.
    public static let empty = StateHeader(
        position: .origin, lineage: Lineage(id: .zero),
        reign: Reign(term: 0, holder: NodeNumber(rawValue: 0)),
        time: UnixMilliseconds(rawValue: 0), catalogDigest: .zero, catalogIndex: .zero)

    /// How far the history goes that the state is of.
    public var extent: HistoryExtent { HistoryExtent(reign: reign, position: position) }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.little(StateHeader.formatVersion)
        writer.little(position.index.rawValue)
        writer.hash128(position.hash)
        writer.hash128(lineage.id)
        writer.little(reign.term)
        writer.little(reign.holder.rawValue)
        writer.little(time.rawValue)
        writer.hash128(catalogDigest)
        writer.little(catalogIndex.rawValue)
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let format: UInt8 = reader.little(), format == StateHeader.formatVersion,
            let index: UInt64 = reader.little(), let hash = reader.hash128(),
            let lineage = reader.hash128(), let term: UInt32 = reader.little(),
            let holder: UInt16 = reader.little(), let time: UInt64 = reader.little(),
            let digest = reader.hash128(), let catalogIndex: UInt64 = reader.little(),
            reader.isAtEnd
        else { return nil }
        self.init(
            position: Position(index: LogIndex(index), hash: hash), lineage: Lineage(id: lineage),
            reign: Reign(term: term, holder: NodeNumber(rawValue: holder)),
            time: UnixMilliseconds(rawValue: time), catalogDigest: digest,
            catalogIndex: LogIndex(catalogIndex))
    }

    private init(
        position: Position, lineage: Lineage, reign: Reign, time: UnixMilliseconds,
        catalogDigest: Hash128, catalogIndex: LogIndex
    ) {
        self.position = position
        self.lineage = lineage
        self.reign = reign
        self.time = time
        self.catalogDigest = catalogDigest
        self.catalogIndex = catalogIndex
    }
}
