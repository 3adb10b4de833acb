public import Platform

/// An entry's place in the log: from 1, without gaps. 0 is before the first entry.
public struct LogIndex: RawRepresentable, Comparable, Hashable, Sendable, CustomStringConvertible {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public init(_ value: UInt64) { self.init(rawValue: value) }

    /// Before the first entry.
    public static let zero = LogIndex(0)

    public var next: LogIndex { LogIndex(rawValue + 1) }

    /// How many entries `self` is ahead of `other`; 0 when it is not.
    public func distance(past other: LogIndex) -> UInt64 {
        rawValue > other.rawValue ? rawValue - other.rawValue : 0
    }

    public static func < (a: LogIndex, b: LogIndex) -> Bool { a.rawValue < b.rawValue }

    public var description: String { String(rawValue) }
}

/// A place in one history. **Two nodes at the same position hold the same history**: the chain hash
/// covers every entry up to `index`.
public struct Position: Hashable, Sendable, CustomStringConvertible {
    public var index: LogIndex
    public var hash: Hash128

    public init(index: LogIndex, hash: Hash128) {
        self.index = index
        self.hash = hash
    }

    /// Before the first entry: index 0, hash of 32 zeros.
    public static let origin = Position(index: .zero, hash: .zero)

    public var description: String { "\(index)@\(hash.hex)" }
}

/// The random id of a cluster's history, written in entry 1. A fork gets a new one.
public struct Lineage: Hashable, Sendable, CustomStringConvertible {
    public let id: Hash128

    public init(id: Hash128) { self.id = id }

    public static func random() -> Lineage {
        var generator = SystemRandomNumberGenerator()
        return Lineage(id: Hash128(high: generator.next(), low: generator.next()))
    }

    public init?(hex: String) {
        guard let id = Hash128(hex: hex) else { return nil }
        self.init(id: id)
    }

    public var hex: String { id.hex }
    public var description: String { hex }
}

/// A node's number in its cluster, from 1. Never used twice, also after a removal.
public struct NodeNumber: RawRepresentable, Comparable, Hashable, Sendable, CustomStringConvertible
{
    public var rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static func < (a: NodeNumber, b: NodeNumber) -> Bool { a.rawValue < b.rawValue }

    public var description: String { String(rawValue) }
}

/// The time in which one node is primary. Never repeated; a higher one always wins.
public struct Reign: Comparable, Hashable, Sendable, CustomStringConvertible {
    public var term: UInt32
    public var holder: NodeNumber

    public init(term: UInt32, holder: NodeNumber) {
        self.term = term
        self.holder = holder
    }

    public static func < (a: Reign, b: Reign) -> Bool {
        (a.term, a.holder.rawValue) < (b.term, b.holder.rawValue)
    }

    public var description: String { "\(term).\(holder)" }
}
