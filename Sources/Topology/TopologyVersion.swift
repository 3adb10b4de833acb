public import Log

/// Version number of the topology document: from 1, one more with each change.
public struct Generation: RawRepresentable, Comparable, Hashable, Sendable,
    CustomStringConvertible
{
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public init(_ value: UInt64) { self.init(rawValue: value) }

    public static let first = Generation(1)
    /// Beyond it, JSON readers lose digits. Nobody makes as many changes.
    static let last = Generation(1 << 53)

    public var next: Generation { Generation(rawValue + 1) }

    public static func < (a: Generation, b: Generation) -> Bool { a.rawValue < b.rawValue }

    public var description: String { String(rawValue) }
}

/// Which of two documents of one lineage wins: that of the higher reign, in it the higher
/// generation. Documents of different lineages are never compared.
public struct TopologyVersion: Comparable, Hashable, Sendable, CustomStringConvertible {
    public var reign: Reign
    public var generation: Generation

    public init(reign: Reign, generation: Generation) {
        self.reign = reign
        self.generation = generation
    }

    public static func < (a: TopologyVersion, b: TopologyVersion) -> Bool {
        (a.reign, a.generation) < (b.reign, b.generation)
    }

    public var description: String { "\(reign)/\(generation)" }
}
