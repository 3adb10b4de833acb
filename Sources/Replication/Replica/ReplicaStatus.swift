public import Log
public import Platform
public import Topology

/// What a replica's session is doing, at one moment.
public struct ReplicaStatus: Sendable {
    /// New with each session; the link's id at both ends.
    public var id: String
    public var upstream: NodeRecord
    public var state: ReplicaStateWord
    /// Of the present state.
    public var since: MonotonicTime
    /// When an entry was last applied, a byte of a snapshot fetched, or nothing was behind.
    public var lastProgressAt: MonotonicTime
    /// Failures in a row.
    public var attempt: Int
    /// Through all the tries in a row that brought nothing.
    public var failing: Failing?
    public var nextRetryAt: MonotonicTime?
    /// Kept until the session streams again for a while, so that it can be read.
    public var lastError: LinkError?
    public var fullSync: FullSyncProgress?
    public var origin: OriginHeartbeat?
    /// What the stream of this session has come to; nil before it flows.
    public var received: LogIndex?
    /// What the upstream said of the topology when it refused this node.
    public var told: PeerVersion?

    /// A link that fails, tries again and waits in turn, as one state.
    public struct Failing: Equatable, Sendable {
        /// `stalled` or `backoff`, by the last failure.
        public var state: ReplicaStateWord
        /// When anything was last heard before the first failure.
        public var since: MonotonicTime

        public init(state: ReplicaStateWord, since: MonotonicTime) {
            self.state = state
            self.since = since
        }
    }
}

/// What went wrong with a link, in one sentence, when.
public struct LinkError: Error, Equatable, Sendable {
    /// A stable word, as in `timed-out`.
    public var code: String
    public var detail: String
    public var at: MonotonicTime

    public init(code: String, detail: String, at: MonotonicTime) {
        self.code = code
        self.detail = detail
        self.at = at
    }
}

public struct FullSyncProgress: Equatable, Sendable {
    public var stage: FullSyncStage
    public var reason: FullSyncReason
    public var startedAt: MonotonicTime
    public var bytesDone: UInt64
    public var bytesTotal: UInt64
    public var filesDone: Int
    public var filesTotal: Int
    public var bytesPerSecond: Double
    /// Nil while nothing flows.
    public var etaSeconds: Double?
    /// Of ``bytesDone``, what an earlier attempt had fetched already.
    public var resumedBytes: UInt64
}
