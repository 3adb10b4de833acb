public import Log
public import Platform

/// What a node does, as opposed to what it shall do.
public enum RunningRole: String, CaseIterable, Sendable {
    case undecided, primary, replica
}

/// What a node is busy with. The raw values are the words of the HTTP contract.
public enum RunningState: String, CaseIterable, Sendable {
    // Of a primary.
    case serving, unconfirmed
    case handingOver = "handing_over"
    // Of a replica.
    case connecting, handshake
    case fullSync = "full_sync"
    case streaming, backoff, stalled, detached, fenced

    /// Whether a replication session with the upstream is open.
    public var hasLink: Bool {
        switch self {
        case .handshake, .fullSync, .streaming, .stalled: true
        case .serving, .unconfirmed, .handingOver, .connecting, .backoff, .detached, .fenced: false
        }
    }
}

/// How the history of a node that shall follow compares with the primary's log, where both were looked at.
public enum ComparedHistory: Equatable, Sendable {
    /// It has none of this cluster.
    case absent
    /// The log goes on from where it stands.
    case shared
    case notRetained
    /// What only it has goes to `diverged/`.
    case differs
}

/// What was last seen of a node. Never blocks and never changes configuration; what is unknown
/// is nil.
public struct NodeObservation: Equatable, Sendable {
    public var number: NodeNumber
    public var name: NodeName?
    /// Whether it answered the last time that it was asked. What follows is older if not.
    public var isReachable: Bool
    /// Whether it is of this cluster's lineage.
    public var isSameLineage: Bool?
    public var role: RunningRole?
    public var state: RunningState?
    /// Whom it follows.
    public var upstream: NodeNumber?
    /// Of the newest document that it knows.
    public var version: TopologyVersion?
    public var applied: LogIndex?
    /// Whether its catalog digest equals the primary's at the newest catalog index that both know.
    public var catalogAgrees: Bool?
    public var freeBytes: UInt64?
    /// Nil: nobody compared.
    public var history: ComparedHistory?
    /// How far behind the primary, by what it has applied.
    public var lag: ObservedLag?
    /// The most that it takes of a full sync; nil: no limit, or unknown.
    public var syncBytesPerSecondMax: UInt64?
    /// When it last answered, or, if it never did, when it was last asked.
    public var observedAt: UnixMilliseconds
    /// Whether it ever answered.
    public var wasHeard: Bool

    public init(
        number: NodeNumber, name: NodeName? = nil, isReachable: Bool, isSameLineage: Bool? = nil,
        role: RunningRole? = nil, state: RunningState? = nil, upstream: NodeNumber? = nil,
        version: TopologyVersion? = nil, applied: LogIndex? = nil, catalogAgrees: Bool? = nil,
        freeBytes: UInt64? = nil, lag: ObservedLag? = nil, syncBytesPerSecondMax: UInt64? = nil,
        observedAt: UnixMilliseconds, wasHeard: Bool = true
    ) {
        self.wasHeard = wasHeard
        self.number = number
        self.name = name
        self.isReachable = isReachable
        self.isSameLineage = isSameLineage
        self.role = role
        self.state = state
        self.upstream = upstream
        self.version = version
        self.applied = applied
        self.catalogAgrees = catalogAgrees
        self.freeBytes = freeBytes
        self.lag = lag
        self.syncBytesPerSecondMax = syncBytesPerSecondMax
        self.observedAt = observedAt
    }
}

/// How far behind a node was seen; nil where it is not known.
public struct ObservedLag: Equatable, Sendable {
    public var entries: UInt64
    public var bytes: UInt64?
    public var seconds: Double?

    public init(entries: UInt64, bytes: UInt64?, seconds: Double?) {
        self.entries = entries
        self.bytes = bytes
        self.seconds = seconds
    }
}

/// A replication session that really runs, as one of its ends sees it.
public struct LinkObservation: Hashable, Sendable {
    public var source: NodeNumber
    public var replica: NodeNumber

    public init(source: NodeNumber, replica: NodeNumber) {
        self.source = source
        self.replica = replica
    }
}
