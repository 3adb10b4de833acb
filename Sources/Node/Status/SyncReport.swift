public import JSON
public import Log
public import Platform
public import Topology

/// Whether data is safe: the answer to `GET /v1/sync`.
public struct SyncReport: Sendable {
    /// Every configured replica has what the primary has.
    public var inSync: Bool
    public var inSyncReplicas: Int
    public var configuredReplicas: Int
    public var primary: String?
    public var term: UInt32?
    public var generation: Generation?
    public var converged: Bool
    /// Nil: not known, for this node is outside the topology.
    public var writable: Bool?
    /// Why it is not.
    public var writeObstacles: [Node.WriteObstacle] = []
    /// Of the primary, when it is known at first hand or was heard of lately.
    public var position: Position?
    public var logFirst: LogIndex?
    public var logLast: LogIndex?
    public var logBytes: UInt64?
    public var exposure: Exposure?
    public var nodes: [NodeReport]
    public var observedAt: UnixMilliseconds
    /// How far behind a replica may be and count as in sync.
    public var inSyncLag: Duration = .seconds(1)

    /// What would be lost if the primary died now and the best replica took over.
    public struct Exposure: Equatable, Sendable {
        /// Nil: not known, for the replicas that there are are silent, and may have all of it or nothing.
        public var entries: UInt64?
        public var bytes: UInt64?
        public var seconds: Double?
        public var candidate: String?
    }

    /// With what is wrong in it, in words.
    public func json(_ verdict: Verdict) -> JSONValue {
        [
            "verdict": verdict.json,
            "in_sync": .bool(inSync),
            "in_sync_replicas": JSONValue(inSyncReplicas),
            "configured_replicas": JSONValue(configuredReplicas),
            "primary": .orNull(primary),
            "term": .orNull(term),
            "generation": .orNull(generation?.rawValue),
            "converged": .bool(converged),
            "writable": .orNull(writable),
            "write_obstacles": .array(
                writeObstacles.map {
                    ["code": .string($0.code), "detail": .string($0.detail)]
                }),
            "position": position?.json ?? .null,
            "log": [
                "first_index": .orNull(logFirst?.rawValue),
                "last_index": .orNull(logLast?.rawValue),
                "bytes": .orNull(logBytes),
            ],
            "loss_exposure": exposure.map { exposure in
                [
                    "entries": .orNull(exposure.entries), "bytes": .orNull(exposure.bytes),
                    "seconds": .orNull(exposure.seconds), "candidate": .orNull(exposure.candidate),
                ]
            } ?? .null,
            "alarms": .array(
                nodes.flatMap { node in node.alarms.map { $0.json(of: node.name) } }),
            "nodes": .array(nodes.map(\.json)),
            "observed_at": .string(observedAt.rfc3339),
        ]
    }
}

/// Whether one replica has what the primary has. Pure.
struct InSyncRule {
    var primaryCatalog: NodeReport.CatalogSummary?
    var generation: Generation
    var lagMax: Duration

    func holds(for replica: NodeReport) -> Bool {
        guard replica.running?.state == .streaming,
            let known = replica.running?.generation, known >= generation,
            let seconds = replica.lag?.seconds, seconds < lagMax.inSeconds,
            let own = replica.catalog, let primaryCatalog,
            !replica.hasAlarm(.catalogDiffers)
        else { return false }
        return own.index == primaryCatalog.index && own.digest == primaryCatalog.digest
    }
}
