public import Engine
public import Log
import Platform
import Topology

/// What a replica's session needs of the node. The session calls them on its own threads; what is
/// not said to return at once may block.
public struct ReplicaEnvironment: Sendable {
    /// Returns at once. The session adds its own id.
    public var identity: @Sendable () -> PeerIdentity
    public var signing: PeerSigning
    public var rules: LinkRules
    public var engineOptions: EngineOptions
    public var dataDirectory: DataDirectory
    /// The engine that serves now. Returns at once.
    public var engine: @Sendable () -> Engine?
    /// Applies entries to the given engine, if the session still counts; false: it does not, and
    /// nothing was done. The engine may be one that does not serve yet.
    public var apply:
        @Sendable (_ session: UInt64, Engine, [Record], [UInt8]) throws(EngineError) -> Bool
    /// Makes the engine the one that counts, durably, if the session still does; false: it does not.
    public var install:
        @Sendable (_ session: UInt64, Engine, FullSyncSummary) throws(EngineError) -> Bool
    /// A partial sync has begun, or a tail was kept: for the counters. Returns at once.
    public var finished: @Sendable (SyncFinished) -> Void
    /// What a peer said of the topology. The node decides what it believes. Returns at once.
    public var told: @Sendable (PeerWord) -> Void
    /// The session's status has changed in more than its numbers. Returns at once.
    public var statusChanged: @Sendable () -> Void
    /// What follows this node, for its reports. Returns at once.
    public var followers: @Sendable () -> [AckReport.Follower]
    /// Most bytes per second of a full sync, looked at all the time; nil: no limit.
    public var syncBytesPerSecondMax: @Sendable () -> UInt64?

    public init(
        identity: @escaping @Sendable () -> PeerIdentity, signing: PeerSigning,
        rules: LinkRules = .any, engineOptions: EngineOptions, dataDirectory: DataDirectory,
        engine: @escaping @Sendable () -> Engine?,
        apply:
            @escaping @Sendable (_ session: UInt64, Engine, [Record], [UInt8]) throws(EngineError)
            -> Bool,
        install:
            @escaping @Sendable (_ session: UInt64, Engine, FullSyncSummary) throws(EngineError)
            -> Bool,
        finished: @escaping @Sendable (SyncFinished) -> Void = { _ in },
        told: @escaping @Sendable (PeerWord) -> Void = { _ in },
        statusChanged: @escaping @Sendable () -> Void = {},
        followers: @escaping @Sendable () -> [AckReport.Follower] = { [] },
        syncBytesPerSecondMax: @escaping @Sendable () -> UInt64? = { nil }
    ) {
        self.identity = identity
        self.signing = signing
        self.rules = rules
        self.engineOptions = engineOptions
        self.dataDirectory = dataDirectory
        self.engine = engine
        self.apply = apply
        self.install = install
        self.finished = finished
        self.told = told
        self.statusChanged = statusChanged
        self.followers = followers
        self.syncBytesPerSecondMax = syncBytesPerSecondMax
    }
}

/// A full sync that has brought a new state: for the counters, which must move with it.
public struct FullSyncSummary: Equatable, Sendable {
    public var reason: FullSyncReason
    public var bytes: UInt64
    public var seconds: Double
}

/// What a session has to report for the counters that survive restarts.
public enum SyncFinished: Equatable, Sendable {
    /// The log flows from this node's own position.
    case partial
    /// Entries that only this node had are kept in `file`, synced; a full sync will replace them.
    case diverged(fork: LogIndex, entries: UInt64, file: String)
}

/// What an upstream said that concerns more than the link.
public enum PeerWord: Equatable, Sendable {
    /// This node is none of its replicas. Nil: it did not say in which topology.
    case notInTopology(PeerVersion?)
    /// It belongs to another cluster.
    case otherCluster(PeerVersion?)
    /// It knows a higher reign or generation than this node.
    case newer(PeerVersion)
}
