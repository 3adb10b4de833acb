public import Log
public import Topology

/// Why the deciding section refused a change. Nothing was done. One case for each thing a caller
/// can do about it.
public enum Refusal: Error, Equatable, Sendable {
    case namespaceNotFound(NamespaceName)
    case namespaceExists(NamespaceName)
    /// Of a list, those at these places.
    case namespacesExist([Int: NamespaceName])
    /// `default` always exists.
    case namespaceIsPermanent(NamespaceName)
    case namespaceReadOnly(NamespaceName)
    case keyNotFound
    /// The check at this place in the batch does not hold.
    case checkFailed(operation: Int, current: ValueVersion?)
    /// A write that depends on the value cannot be made; `at` is its place among the writes.
    case writeImpossible(at: Int, WriteObstacle)
    /// `quota` names the limit, as in `quota_keys`.
    case quotaExceeded(quota: String, limit: UInt64, used: UInt64)
    /// The entry would be larger than a record can be.
    case tooLarge(limitBytes: Int)
    /// The token was revoked, has expired, or its namespace was deleted, since the request came in.
    case tokenRevoked
    /// The first admin token came into being since a request without a token came in.
    case tokenRequired
    case tokenNotFound(String)
    /// Without another admin token that may make tokens, this one stays.
    case lastAdminToken
    /// The first admin token must be able to make others.
    case firstAdminTokenTooNarrow
    /// A token that was replaced is replaced no more.
    case tokenReplaced(String)
    /// The topology is no longer the one that the change was made for.
    case topologyChanged(TopologyDocument)
    case topologyInvalid([TopologyFault])
    case nodeNotFound(String)
    case operationNotFound(String)
    /// A number that is never used twice has run out, or a table is full.
    case limitReached(String)
    /// The key was used for another request before.
    case requestKeyReused
    /// The database could not be read.
    case storageFailed(String)
}

/// Why a write that depends on the value before it cannot be made.
public enum WriteObstacle: Equatable, Sendable {
    /// The value is no whole number in decimal text.
    case notANumber
    /// The sum is not one of 64 bits.
    case overflow
    /// The value would be longer than ``StoredValue/bytesMax``.
    case valueTooLarge
}

/// Why a change was not committed.
public enum CommitFailure: Error, Equatable, Sendable {
    case refused(Refusal)
    /// This node lost the right to append before the change was decided. Nothing was done.
    case notPrimary
    /// Too much waits already. Nothing was done.
    case busy
}

/// A change that is in the log, as durable as the sync policy says, and in the state.
public struct Committed<Answer: Sendable>: Sendable {
    /// Of the change's entry, or of the state when it changed nothing.
    public let position: Position
    public let answer: Answer

    public init(position: Position, answer: Answer) {
        self.position = position
        self.answer = answer
    }
}
