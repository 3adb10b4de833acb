/// How far a history goes: its last position, and the reign of the entry there.
///
/// Of two nodes of one lineage the one with the greater extent has everything that was acknowledged
/// on either: a history that ends in a higher reign goes further than any that ends in a lower one,
/// however many entries that one has, for its holder wrote them alone. Of equal reigns the longer
/// one contains the shorter one. (The rule of elections in Raft, section 5.4.1 of its paper.)
public struct HistoryExtent: Comparable, Hashable, Sendable, CustomStringConvertible {
    /// Of the last entry.
    public var reign: Reign
    public var position: Position

    public init(reign: Reign, position: Position) {
        self.reign = reign
        self.position = position
    }

    /// Of a node without a state.
    public static let none = HistoryExtent(
        reign: Reign(term: 0, holder: NodeNumber(rawValue: 0)), position: .origin)

    public static func < (a: HistoryExtent, b: HistoryExtent) -> Bool {
        (a.reign, a.position.index) < (b.reign, b.position.index)
    }

    public var description: String { "\(position.index) of reign \(reign)" }
}
