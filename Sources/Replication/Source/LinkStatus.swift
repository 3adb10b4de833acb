public import Log
public import Platform
import Topology

/// One link as its source sees it, at one moment.
public struct LinkStatus: Equatable, Sendable {
    /// The raw values are the words of the API.
    public enum State: String, Equatable, Sendable {
        case streaming
        case fullSync = "full_sync"
        case stalled
    }

    /// New with each session of the replica.
    public var id: String
    public var replica: NodeNumber
    public var replicaName: String
    public var remoteAddress: String
    public var state: State
    public var since: MonotonicTime
    public var lastProgressAt: MonotonicTime
    public var sent: LogIndex?
    /// Applied to the state that the replica serves; nil before it serves this history.
    public var acked: LogIndex?
    public var durable: LogIndex?
    /// Nil as ``acked``.
    public var lag: Lag?
    /// Until the log that the replica lacks is removed, at the present rate of writes; nil when
    /// nothing is written, or the replica does not need the log.
    public var headroomSeconds: Double?
    /// What the replica lacks is not in the log any more.
    public var needsFullSync: Bool
    /// The last report of this session; nil before the first.
    public var report: AckReport?
    public var reportedAt: MonotonicTime?
    /// What the link suffers from, in words.
    public var trouble: String?
}
