import Log
import Platform

/// What is wrong and does not mend itself, by node, and since when.
///
/// Pure. What cannot be judged at the moment stays as it is: an alarm goes only when what it is about
/// is known to be well again, or is nobody's concern any more.
struct AlarmBook: Sendable {
    struct Key: Hashable, Comparable, Sendable {
        var node: NodeNumber
        var code: AlarmCode

        static func < (a: Key, b: Key) -> Bool {
            (a.node, a.code.rawValue) < (b.node, b.code.rawValue)
        }
    }

    struct Entry: Equatable, Sendable {
        var since: UnixMilliseconds
        var detail: String
    }

    enum Verdict: Equatable, Sendable {
        case wrong(String)
        case right
        case unknown
    }

    /// What the operator's log is told.
    enum Change: Equatable, Sendable {
        case raised(Key, String)
        case ended(Key)
    }

    private(set) var entries: [Key: Entry] = [:]

    /// Takes in what was found, and forgets what nobody judged.
    ///
    /// - Returns: What has changed, in order of the nodes.
    mutating func take(_ verdicts: [Key: Verdict], at now: UnixMilliseconds) -> [Change] {
        var changes = entries.keys.filter { verdicts[$0] == nil }.map(Change.ended)
        for change in changes { if case .ended(let key) = change { entries[key] = nil } }
        for (key, verdict) in verdicts {
            switch verdict {
            case .unknown: continue
            case .right:
                if entries.removeValue(forKey: key) != nil { changes.append(.ended(key)) }
            case .wrong(let detail):
                if entries[key] == nil { changes.append(.raised(key, detail)) }
                entries[key] = Entry(since: entries[key]?.since ?? now, detail: detail)
            }
        }
        return changes.sorted { $0.key < $1.key }
    }

    func alarms(of node: NodeNumber) -> [(code: AlarmCode, entry: Entry)] {
        entries.filter { $0.key.node == node }.sorted { $0.key < $1.key }
            .map { ($0.key.code, $0.value) }
    }
}

extension AlarmBook.Change {
    var key: AlarmBook.Key {
        switch self {
        case .raised(let key, _), .ended(let key): key
        }
    }
}

/// The raw values are the codes of the API.
public enum AlarmCode: String, CaseIterable, Sendable {
    /// The node's catalog is not the primary's, as of the same entry of the same history.
    case catalogDiffers = "catalog-differs"
    /// The node and its upstream have two hashes at one entry, inside one reign.
    case historyDamaged = "history-damaged"
    /// The upstream's log does not reach back to the node, or soon will not.
    case positionNotRetained = "position-not-retained"
    /// The primary has not answered this node for some seconds.
    case primaryUnreachable = "primary-unreachable"
    /// Fewer replicas are linked with the primary than each write waits for.
    case replicasMissing = "replicas-missing"
    /// The primary refuses writes, for it hears no replica.
    case isolated
    /// Less is free on the node's disk than it keeps in reserve; as primary it refuses writes.
    case diskNearlyFull = "disk-nearly-full"
}
