public import JSON
public import Log
public import Platform
public import Replication
public import Topology

/// What is known of one node: what is configured, what runs, and when it was seen.
///
/// A node writes its own; others get it over `GET /replication/topology` and pass it on with the
/// time at which they got it. What is unknown is nil, never a number that has gone stale.
public struct NodeReport: Equatable, Sendable {
    public var name: String
    public var address: String?
    public var configured: Configured?
    public var running: Running?
    public var position: Position?
    public var durableIndex: LogIndex?
    public var lag: Lag?
    public var catalog: CatalogSummary?
    public var fullSync: FullSync?
    public var fullSyncs: UInt64?
    public var partialSyncs: UInt64?
    public var lastFullSync: NodeFacts.FinishedSync?
    public var divergedEntries: UInt64?
    /// How fast a full sync may be received; nil: as fast as it comes, or unknown.
    public var fullSyncBytesPerSecondMax: UInt64?
    /// Free on the disk of its data.
    public var diskFreeBytes: UInt64?
    /// Why the node must not become primary now; empty when it may.
    public var vetoes: [Veto] = []
    /// Why it has not what the primary has: empty when it has; nil: it is no configured replica. Not
    /// told to peers: each says it by what it sees itself.
    public var lacks: [Veto]?
    public var alarms: [Alarm] = []
    /// Nil unless its catalog is not its primary's, and it has found out where.
    public var catalogDifferences: CatalogDifferences?
    /// Nil while the node has no state.
    public var namespacesInTrouble: NamespacesInTrouble?
    /// How long the log here is kept for the node; nil unless it is a replica of the node that tells.
    public var retention: ReplicaRetention?
    public var lastError: Failure?
    public var observedAt: UnixMilliseconds?

    public struct Configured: Equatable, Sendable {
        public var role: RunningRole?
        public var upstream: String?
        public var generation: Generation
    }

    public struct Running: Equatable, Sendable {
        public var role: RunningRole
        /// Nil while the role is undecided.
        public var state: RunningState?
        public var upstream: String?
        public var since: UnixMilliseconds
        public var lastProgressAt: UnixMilliseconds?
        public var nextRetryAt: UnixMilliseconds?
        public var attempt: Int
        /// `stalled` or `backoff`: how its link has been failing, through all the tries in a row that brought
        /// nothing; nil while it does not.
        public var failing: RunningState?
        public var failingSince: UnixMilliseconds?
        public var generation: Generation?
        public var term: UInt32?
        /// Whom the node follows by its own decision, while no newer document is known.
        public var claim: Claim?
    }

    public struct Claim: Equatable, Sendable {
        public var upstream: String
        public var since: UnixMilliseconds
    }

    public struct Lag: Equatable, Sendable {
        public var entries: UInt64
        public var bytes: UInt64?
        public var seconds: Double?
    }

    public struct CatalogSummary: Equatable, Sendable {
        public var namespaces: Int
        public var digest: Hash128
        public var index: LogIndex
    }

    public struct FullSync: Equatable, Sendable {
        public var stage: String
        public var reason: String
        public var bytesDone: UInt64
        public var bytesTotal: UInt64?
        public var filesDone: Int
        public var filesTotal: Int?
        public var bytesPerSecond: Double?
        public var etaSeconds: Double?
        public var resumedBytes: UInt64
    }

    public struct Veto: Equatable, Sendable {
        public var code: String
        public var detail: String
    }

    public struct Failure: Equatable, Sendable {
        public var code: String
        public var detail: String
        public var at: UnixMilliseconds
    }

    public var isPromotable: Bool { running?.role == .replica && vetoes.isEmpty }
}

extension NodeReport {
    /// As `GET /v1/nodes/{name}` shows it.
    public var json: JSONValue {
        [
            "name": .string(name),
            "address": .orNull(address),
            "configured": configured.map { configured in
                [
                    "role": .orNull(configured.role?.rawValue),
                    "upstream": .orNull(configured.upstream),
                    "generation": JSONValue(configured.generation.rawValue),
                ]
            } ?? .null,
            "running": running?.json ?? .null,
            "position": position?.json ?? .null,
            "durable_index": .orNull(durableIndex?.rawValue),
            "lag": lag?.json ?? .null,
            "catalog": catalog.map { catalog in
                [
                    "namespaces": JSONValue(catalog.namespaces),
                    "digest": .string(catalog.digest.hex),
                    "index": JSONValue(catalog.index.rawValue),
                ]
            } ?? .null,
            "full_sync": fullSync?.json(bytesPerSecondMax: fullSyncBytesPerSecondMax) ?? .null,
            "full_sync_max_bytes_per_second": .orNull(fullSyncBytesPerSecondMax),
            "disk_free_bytes": .orNull(diskFreeBytes),
            "counters": [
                "full_syncs": .orNull(fullSyncs), "partial_syncs": .orNull(partialSyncs),
                "diverged_entries": .orNull(divergedEntries),
            ],
            "last_full_sync": lastFullSync.map { sync in
                [
                    "reason": .string(sync.reason), "bytes": JSONValue(sync.bytes),
                    "seconds": .number(sync.seconds),
                    "finished_at": .string(sync.finishedAt.rfc3339),
                ]
            } ?? .null,
            "promotable": .bool(isPromotable),
            "vetoes": .array(vetoes.map { .string("\($0.code): \($0.detail)") }),
            "in_sync": .orNull(lacks?.isEmpty),
            "not_in_sync": .array((lacks ?? []).map { .string("\($0.code): \($0.detail)") }),
            "alarms": .array(alarms.map(\.json)),
            "catalog_differences": catalogDifferences?.json ?? .null,
            "namespaces_in_trouble": namespacesInTrouble?.json ?? .null,
            "retention": retention?.json ?? .null,
            "last_error": .orNull(lastError?.text),
            "last_error_code": .orNull(lastError?.code),
            "last_error_at": .orNull(lastError?.at.rfc3339),
            "observed_at": .orNull(observedAt?.rfc3339),
        ]
    }
}

extension ReplicaRetention {
    public var json: JSONValue {
        [
            "acked_index": .orNull(acked?.rawValue),
            "bytes_behind": .orNull(bytesBehind), "max_bytes": JSONValue(bytesMax),
            "headroom_seconds": .orNull(headroomSeconds),
            "full_sync_needed": .orNull(
                need == .now ? FullSyncReason.positionNotRetained.rawValue : nil),
        ]
    }
}

extension NodeReport.Failure {
    /// Code and sentence in one line, as the API shows them.
    public var text: String { "\(code): \(detail)" }
}

extension NodeReport.Lag {
    public var json: JSONValue {
        [
            "entries": JSONValue(entries), "bytes": .orNull(bytes),
            "seconds": .orNull(seconds),
        ]
    }
}

extension NodeReport.Running {
    var json: JSONValue {
        [
            "role": .string(role.rawValue), "upstream": .orNull(upstream),
            "state": .orNull(state?.rawValue), "since": .string(since.rfc3339),
            "last_progress_at": .orNull(lastProgressAt?.rfc3339),
            "next_retry_at": .orNull(nextRetryAt?.rfc3339),
            "attempt": JSONValue(attempt),
            "failing": .orNull(failing?.rawValue), "failing_since": .orNull(failingSince?.rfc3339),
            "generation": .orNull(generation?.rawValue), "term": .orNull(term),
            "claim": claim.map { claim in
                ["upstream": .string(claim.upstream), "since": .string(claim.since.rfc3339)]
            } ?? .null,
        ]
    }
}

extension NodeReport.FullSync {
    fileprivate func json(bytesPerSecondMax: UInt64?) -> JSONValue {
        [
            "stage": .string(stage), "reason": .string(reason), "bytes_done": JSONValue(bytesDone),
            "bytes_total": .orNull(bytesTotal), "files_done": JSONValue(filesDone),
            "files_total": .orNull(filesTotal), "bytes_per_second": .orNull(bytesPerSecond),
            "max_bytes_per_second": .orNull(bytesPerSecondMax),
            "eta_seconds": .orNull(etaSeconds), "resumed_bytes": JSONValue(resumedBytes),
        ]
    }
}

extension Position {
    public var json: JSONValue {
        ["index": JSONValue(index.rawValue), "hash": .string(hash.hex)]
    }

    init?(json: JSONValue?) {
        guard let index = json?["index"]?.unsigned,
            let hash = json?["hash"]?.stringValue.flatMap(Hash128.init(hex:))
        else { return nil }
        self.init(index: LogIndex(index), hash: hash)
    }
}

extension JSONValue {
    /// A whole number that is not negative.
    var unsigned: UInt64? { integerValue.flatMap(UInt64.init(exactly:)) }
}
