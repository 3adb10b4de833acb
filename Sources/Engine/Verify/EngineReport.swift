public import Log

/// What a full read of a data directory found.
public struct EngineReport: Sendable, Equatable {
    public enum Weight: Sendable {
        /// Worth knowing. A start copes with it, and nothing acknowledged is lost.
        case note
        /// A start refuses, or serves something that is not what was written.
        case damage
    }

    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        public var weight: Weight
        /// A path, if need be with a place in the file, or a namespace.
        public var place: String
        /// A clause.
        public var what: String

        public var description: String { "\(place): \(what)" }
    }

    public internal(set) var findings: [Finding] = []
    /// False when the directory could not be looked at: nothing was verified then.
    public internal(set) var wasRead = true
    /// Where the state in the database's files stands.
    public internal(set) var position: Position?
    /// Where a start would come to: ``position``, and what the log has behind it.
    public internal(set) var replayedPosition: Position?
    /// What reading the log found. Its findings are in ``findings``, too.
    public internal(set) var log: LogReport?
    /// As of ``replayedPosition``.
    public internal(set) var namespaces = 0
    /// As of ``position``, counted.
    public internal(set) var keys: UInt64 = 0

    public var isSound: Bool { wasRead && findings.allSatisfy { $0.weight == .note } }

    /// Findings of one sort that are told one by one; more are only counted.
    static let alikeMax = 20
    private var counts: [String: Int] = [:]

    /// Adds a finding.
    public mutating func find(_ weight: Weight, _ place: String, _ what: String) {
        findings.append(Finding(weight: weight, place: place, what: what))
    }

    /// A finding of a `sort` that may come a million times.
    mutating func find(_ weight: Weight, sort: String, _ place: String, _ what: String) {
        counts[sort, default: 0] += 1
        if counts[sort, default: 0] <= EngineReport.alikeMax { find(weight, place, what) }
    }

    /// Tells how many findings were only counted.
    mutating func close(place: String) {
        for (sort, count) in counts.sorted(by: { $0.key < $1.key })
        where count > EngineReport.alikeMax {
            find(.note, place, "\(count - EngineReport.alikeMax) more like these: \(sort)")
        }
        counts = [:]
    }
}
