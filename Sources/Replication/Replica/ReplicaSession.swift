import Log
import Platform
public import Topology

/// Follows one upstream, on its own threads, until stopped.
public final class ReplicaSession: Sendable {
    public let number: UInt64
    public let upstream: NodeRecord

    public init(
        number: UInt64, upstream: NodeRecord, environment: ReplicaEnvironment,
        forcedReason: FullSyncReason? = nil
    ) {
        self.number = number
        self.upstream = upstream
    }

    public func start() {}

    /// Returns at once. Network calls end within 100 ms; nothing is applied or installed afterwards
    /// if the node refuses the session's number.
    public func stop() {}

    public var status: ReplicaStatus { fatalError("not written yet") }
}
