public import Engine
public import Log
import Platform
public import Topology

/// What the source's end needs of the node.
public struct SourceEnvironment: Sendable {
    /// The engine that serves now.
    public var engine: @Sendable () -> Engine?
    public var identity: @Sendable () -> PeerIdentity
    /// The newest document that this node knows.
    public var topology: @Sendable () -> TopologyDocument?
    /// Whether this node may feed anybody: attached, not fenced, not swapping.
    public var isServing: @Sendable () -> Bool
    /// The own state while this node is primary, what was last heard while it is a replica.
    public var origin: @Sendable () -> OriginHeartbeat?
    /// For how many bytes of log replicas are waited for; for ``LinkStatus/headroomSeconds``.
    public var retentionBytesMax: UInt64
    /// Feeds at once, of all replicas.
    public var linksMax: Int
    /// Called when a link has begun, ended, or changed its state; must not block.
    public var linksChanged: @Sendable () -> Void
    /// Called when a record of this node's log turns out to be damaged; must not block.
    public var logDamaged: @Sendable (LogDamage) -> Void

    public init(
        engine: @escaping @Sendable () -> Engine?, identity: @escaping @Sendable () -> PeerIdentity,
        topology: @escaping @Sendable () -> TopologyDocument?,
        isServing: @escaping @Sendable () -> Bool,
        origin: @escaping @Sendable () -> OriginHeartbeat?,
        retentionBytesMax: UInt64 = 8 << 30, linksMax: Int = TopologyDocument.nodesMax,
        linksChanged: @escaping @Sendable () -> Void = {},
        logDamaged: @escaping @Sendable (LogDamage) -> Void = { _ in }
    ) {
        self.engine = engine
        self.identity = identity
        self.topology = topology
        self.isServing = isServing
        self.origin = origin
        self.retentionBytesMax = retentionBytesMax
        self.linksMax = linksMax
        self.linksChanged = linksChanged
        self.logDamaged = logDamaged
    }
}
