public import Engine
public import JSON
public import Platform

/// An operation as its resource shows it: what the log says of it, and how far it has come.
public struct OperationView: Sendable {
    public var record: OperationRecord
    public var steps: [Step]
    public var progress: Progress?
    /// What it came to; nil until it has succeeded, and where there is nothing to say.
    public var result: JSONValue?
    /// Each rule that forbade it, of one that failed.
    public var vetoes: JSONValue?

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

extension OperationView {
    /// Of an operation that has just begun.
    public init(begun record: OperationRecord) {
        self.init(record: record, steps: OperationTracker.steps(of: record), progress: nil)
    }
}
