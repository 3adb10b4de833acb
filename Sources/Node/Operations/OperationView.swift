public import Engine
public import JSON
public import Platform

/// An operation as its resource shows it: what the log says of it, and how far it has come.
public struct OperationView: Sendable {
    public var record: OperationRecord
    /// It is of this node alone: not in the log, or not yet.
    public var isNodeLocal: Bool
    public var steps: [Step]
    public var progress: Progress?
    /// What it came to; nil until it has succeeded, and where there is nothing to say.
    public var result: JSONValue?
    /// Each rule that forbade it, of one that failed.
    public var vetoes: JSONValue?
    /// Whether it can still be given up by request.
    public var isCancellable: Bool { record.state == .running && record.type == "switchover" }
    /// When the steps were seen: of an operation of another node, when that one was last asked. Nil:
    /// they are not known.
    public var observedAt: UnixMilliseconds?

    public struct Step: Equatable, Sendable {
        public var name: String
        public var state: String
        public var startedAt: UnixMilliseconds?
        public var deadlineAt: UnixMilliseconds?
    }

    public struct Progress: Equatable, Sendable {
        public var done: UInt64
        public var total: UInt64?
        public var unit: String
    }
}

extension OperationView.Step {
    var json: JSONValue {
        [
            "name": .string(name), "state": .string(state),
            "started_at_ms": .orNull(startedAt?.rawValue),
            "deadline_at_ms": .orNull(deadlineAt?.rawValue),
        ]
    }

    /// Nil: it is none.
    init?(json: JSONValue) {
        guard let name = json["name"]?.stringValue, let state = json["state"]?.stringValue else {
            return nil
        }
        self.init(
            name: name, state: state,
            startedAt: json["started_at_ms"]?.unsigned.map(UnixMilliseconds.init(rawValue:)),
            deadlineAt: json["deadline_at_ms"]?.unsigned.map(UnixMilliseconds.init(rawValue:)))
    }
}

extension OperationView {
    /// Of an operation that has just begun.
    public init(begun record: OperationRecord) {
        self.init(
            record: record, isNodeLocal: false, steps: OperationTracker.steps(of: record),
            progress: nil, observedAt: .now())
    }
}
