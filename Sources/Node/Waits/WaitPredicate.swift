public import Log
public import Topology

/// What a client waits for.
public enum WaitPredicate: Equatable, Sendable, CustomStringConvertible {
    /// Of `/v1/sync`.
    case inSync
    /// At least so many replicas are.
    case inSyncReplicas(Int)
    case converged
    case generation(Generation)
    /// Of a node.
    case applied(LogIndex)
    case state(RunningState)
    /// Of an operation.
    case done

    /// Reads `in_sync`, `in_sync>=2`, `applied>=17` or `applied:17`, `state=streaming`, …; nil for
    /// anything else.
    public init?(_ text: String) {
        if text == "in_sync" {
            self = .inSync
        } else if text == "converged" {
            self = .converged
        } else if text == "done" {
            self = .done
        } else if let count = WaitPredicate.number(text, "in_sync").flatMap(Int.init(exactly:)) {
            self = .inSyncReplicas(count)
        } else if let generation = WaitPredicate.number(text, "generation") {
            self = .generation(Generation(generation))
        } else if let index = WaitPredicate.number(text, "applied") {
            self = .applied(LogIndex(index))
        } else if let word = WaitPredicate.rest(of: text, after: ["state=", "state:"]),
            let state = RunningState(rawValue: word)
        {
            self = .state(state)
        } else {
            return nil
        }
    }

    private static func number(_ text: String, _ name: String) -> UInt64? {
        guard let digits = rest(of: text, after: ["\(name)>=", "\(name):"]),
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return UInt64(digits)
    }

    private static func rest(of text: String, after starts: [String]) -> String? {
        starts.first { text.hasPrefix($0) }.map { String(text.dropFirst($0.count)) }
    }

    public var description: String {
        switch self {
        case .inSync: "in_sync"
        case .inSyncReplicas(let count): "in_sync>=\(count)"
        case .converged: "converged"
        case .generation(let generation): "generation>=\(generation)"
        case .applied(let index): "applied>=\(index)"
        case .state(let state): "state=\(state.rawValue)"
        case .done: "done"
        }
    }
}

/// What the predicates of a wait are about.
public enum WaitSubject: Equatable, Sendable {
    case sync
    /// By name.
    case node(String)
    case operation(String)

    /// Whether a predicate can be asked of it.
    public func admits(_ predicate: WaitPredicate) -> Bool {
        switch (self, predicate) {
        case (.sync, .inSync), (.sync, .inSyncReplicas), (.sync, .converged), (.sync, .generation),
            (.node, .applied), (.node, .state), (.operation, .done):
            true
        default:
            false
        }
    }
}

/// How a wait ended.
public enum WaitOutcome: Sendable {
    /// By what the report says, which is not to be asked for again: a moment later it may not hold.
    case met(SyncReport)
    /// Not met in time: these did not hold.
    case unmet([WaitPredicate])
    /// The operation ended, but did not succeed.
    case operationFailed
    /// What was waited for does not exist, or no more.
    case gone
    /// The node is stopping.
    case stopping
}
