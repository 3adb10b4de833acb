/// What is wrong with a wanted topology, and where.
public struct TopologyFault: Equatable, Sendable {
    /// A JSON pointer into the request; empty for the whole of it.
    public var pointer: String
    public var code: Code
    public var detail: String

    public init(_ pointer: String, _ code: Code, _ detail: String) {
        self.pointer = pointer
        self.code = code
        self.detail = detail
    }

    /// The raw values are the codes of the HTTP contract.
    public enum Code: String, CaseIterable, Sendable {
        case unknownNode = "unknown-node"
        /// Upstreams lead in a ring.
        case cycle
        /// A replica without upstream.
        case twoPrimaries = "two-primaries"
        case noPrimary = "no-primary"
        case primaryIsReplica = "primary-is-replica"
        /// Only a switchover or a failover moves the primary.
        case primaryChanged = "primary-changed"
        /// The primary cannot be removed.
        case nodeIsPrimary = "node-is-primary"
        /// The node is neither primary nor replica, so nobody can follow it and it cannot be promoted.
        case nodeWithoutRole = "node-without-role"
        case duplicateName = "duplicate-name"
        case duplicateAddress = "duplicate-address"
        case duplicateReplica = "duplicate-replica"
        case minInSyncUnmet = "min-in-sync-unmet"
        case badName = "bad-name"
        case badAddress = "bad-address"
        case staleGeneration = "stale-generation"
        case staleTerm = "stale-term"
        case staleNumber = "stale-number"
        /// `changed_at` or `changed_by` are not the current ones.
        case staleChange = "stale-change"
        case tooManyNodes = "too-many-nodes"
        /// All 65,534 numbers have been used (the last one is never given).
        case numbersExhausted = "numbers-exhausted"
        case reasonTooLong = "reason-too-long"
        /// Of a rollback: there is no such document any more.
        case unknownGeneration = "unknown-generation"
    }
}

/// Every fault of one request, in its order. Never empty.
public struct TopologyFaults: Error, Equatable, Sendable {
    public let all: [TopologyFault]

    public init(_ all: [TopologyFault]) { self.all = all }

    public func contains(_ code: TopologyFault.Code) -> Bool { all.contains { $0.code == code } }
}
