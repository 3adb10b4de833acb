import Engine
import JSON
public import Log
public import Platform
public import Topology

/// What a node knows for itself: never replicated, and unable to move the index.
///
/// Kept in `node.json`, which is replaced atomically and synced with every change.
public struct NodeFacts: Equatable, Sendable {
    public var name: NodeName
    /// Nil until a cluster gave this node one.
    public var number: NodeNumber?
    /// The cluster that this node belongs to: its own, or the one that adopted it.
    public var lineage: Lineage?
    /// The newest document that this node was told of, also before its first sync.
    public var document: TopologyDocument?
    /// Nobody of a lower reign is followed any more.
    public var promised: Reign?
    /// The lineage that a fork which may not have ended yet gives this node.
    public var forking: Lineage?
    /// Whom to follow instead of what is configured, while no newer document is known.
    public var claim: Claim?
    /// Whether the cluster that adopted this node wanted a token of everybody then: it counts until
    /// a state says so itself.
    public var requiresToken = false
    /// Of the boot of the machine that this node last ran in: the page cache lives as long.
    public var bootID: String
    /// Whether the last run ended in order.
    public var stoppedCleanly: Bool
    public var fullSyncs: UInt64 = 0
    /// The same by reason, as far as they were counted so.
    public var fullSyncsByReason: [String: UInt64] = [:]
    public var partialSyncs: UInt64 = 0
    public var lastFullSync: FinishedSync?
    var staged: StagedSync?
    /// Entries that were taken out of this node's history and kept in `diverged/`.
    public var divergedEntries: UInt64 = 0
    /// The same of other nodes, as last heard: what a failover cost is what a node that was silent in it
    /// has set aside since, and it is silent by then.
    var heardDiverged: [NodeNumber: UInt64] = [:]
    /// Of a full sync that this node receives; stands above what it was started with.
    public var fullSyncBytesPerSecondMax: UInt64?
    /// Operations of this node that the log does not have: those that run without the right to
    /// append, and the ends of those that came to nothing.
    var operations: [OperationRecord] = []
    static let operationsMax = 16

    /// A change of the own upstream while the primary is gone. It grants no right to append, and
    /// ends with the first document that is newer than the one it was made against.
    public struct Claim: Equatable, Sendable {
        public var upstream: NodeNumber
        public var basis: TopologyVersion
        public var since: UnixMilliseconds
    }

    /// A full sync whose state is about to serve, in the incarnation of that name.
    struct StagedSync: Equatable, Sendable {
        var incarnation: String
        var sync: FinishedSync
    }

    public struct FinishedSync: Equatable, Sendable {
        public var reason: String
        public var bytes: UInt64
        public var seconds: Double
        public var finishedAt: UnixMilliseconds

        public init(reason: String, bytes: UInt64, seconds: Double, finishedAt: UnixMilliseconds) {
            self.reason = reason
            self.bytes = bytes
            self.seconds = seconds
            self.finishedAt = finishedAt
        }
    }

    public init(name: NodeName, bootID: String) {
        self.name = name
        self.bootID = bootID
        stoppedCleanly = false
    }
}

extension NodeFacts {
    /// Counts the full sync that was staged, if its incarnation is the one that serves.
    mutating func countStaged(serving incarnation: String) {
        guard let staged else { return }
        self.staged = nil
        guard staged.incarnation == incarnation else { return }
        fullSyncs += 1
        fullSyncsByReason[staged.sync.reason, default: 0] += 1
        lastFullSync = staged.sync
    }
}

extension NodeFacts {
    static let format: Int64 = 1

    var json: JSONValue {
        [
            "format": .integer(NodeFacts.format),
            "name": .string(name.rawValue),
            "number": .orNull(number?.rawValue),
            "lineage": .orNull(lineage?.hex),
            "document": .orNull(document.map { Hex.encode($0.encoded()) }),
            "promised": .orNull(promised.map { "\($0.term).\($0.holder)" }),
            "forking": .orNull(forking?.hex),
            "claim": claim.map { claim in
                [
                    "upstream": JSONValue(claim.upstream.rawValue),
                    "reign": .string("\(claim.basis.reign)"),
                    "generation": JSONValue(claim.basis.generation.rawValue),
                    "since_ms": JSONValue(claim.since.rawValue),
                ]
            } ?? .null,
            "requires_token": .bool(requiresToken),
            "boot_id": .string(bootID),
            "stopped_cleanly": .bool(stoppedCleanly),
            "full_syncs": JSONValue(fullSyncs),
            "full_syncs_by_reason": .object(
                JSONObject(
                    fullSyncsByReason.sorted { $0.key < $1.key }
                        .map { ($0.key, JSONValue($0.value)) })),
            "partial_syncs": JSONValue(partialSyncs),
            "last_full_sync": lastFullSync?.fileJSON ?? .null,
            "staged": staged.map { staged in
                ["incarnation": .string(staged.incarnation), "sync": staged.sync.fileJSON]
            } ?? .null,
            "diverged_entries": JSONValue(divergedEntries),
            "heard_diverged": .object(
                JSONObject(
                    heardDiverged.sorted { $0.key < $1.key }
                        .map { ("\($0.key)", JSONValue($0.value)) })),
            "full_sync_max_bytes_per_second": .orNull(fullSyncBytesPerSecondMax),
            "operations": .array(operations.map(\.fileJSON)),
        ]
    }

    /// Nil when the file is damaged or from a newer version.
    init?(json: JSONValue) {
        guard json["format"]?.integerValue == NodeFacts.format,
            let name = json["name"]?.stringValue.flatMap(NodeName.init(_:)),
            let bootID = json["boot_id"]?.stringValue,
            let stoppedCleanly = json["stopped_cleanly"]?.boolValue
        else { return nil }
        self.init(name: name, bootID: bootID)
        self.stoppedCleanly = stoppedCleanly
        number = json["number"]?.integerValue.flatMap(UInt16.init(exactly:))
            .map(NodeNumber.init(rawValue:))
        lineage = json["lineage"]?.stringValue.flatMap(Lineage.init(hex:))
        document = json["document"]?.stringValue.flatMap(Hex.decode)
            .flatMap { TopologyDocument(decoding: $0) }
        promised = json["promised"]?.stringValue.flatMap(Reign.init(text:))
        forking = json["forking"]?.stringValue.flatMap(Lineage.init(hex:))
        claim = json["claim"].flatMap(Claim.init(json:))
        requiresToken = json["requires_token"]?.boolValue ?? false
        fullSyncs = json["full_syncs"]?.integerValue.flatMap(UInt64.init(exactly:)) ?? 0
        for (reason, count) in json["full_syncs_by_reason"]?.objectValue?.members ?? [] {
            fullSyncsByReason[reason] = count.unsigned
        }
        partialSyncs = json["partial_syncs"]?.integerValue.flatMap(UInt64.init(exactly:)) ?? 0
        divergedEntries = json["diverged_entries"]?.integerValue.flatMap(UInt64.init(exactly:)) ?? 0
        for (number, count) in json["heard_diverged"]?.objectValue?.members ?? [] {
            guard let number = UInt16(number) else { continue }
            heardDiverged[NodeNumber(rawValue: number)] = count.unsigned
        }
        fullSyncBytesPerSecondMax = json["full_sync_max_bytes_per_second"]?.unsigned
        lastFullSync = json["last_full_sync"].flatMap(FinishedSync.init(fileJSON:))
        operations = (json["operations"]?.arrayValue ?? []).compactMap(
            OperationRecord.init(fileJSON:))
        if let name = json["staged"]?["incarnation"]?.stringValue,
            let sync = json["staged"]?["sync"].flatMap(FinishedSync.init(fileJSON:))
        {
            staged = StagedSync(incarnation: name, sync: sync)
        }
    }
}

extension NodeFacts.FinishedSync {
    fileprivate var fileJSON: JSONValue {
        [
            "reason": .string(reason), "bytes": JSONValue(bytes), "seconds": .number(seconds),
            "finished_at_ms": JSONValue(finishedAt.rawValue),
        ]
    }

    fileprivate init?(fileJSON json: JSONValue) {
        guard let reason = json["reason"]?.stringValue, let bytes = json["bytes"]?.unsigned,
            let seconds = json["seconds"]?.numberValue,
            let finished = json["finished_at_ms"]?.unsigned
        else { return nil }
        self.init(
            reason: reason, bytes: bytes, seconds: seconds,
            finishedAt: UnixMilliseconds(rawValue: finished))
    }
}

extension NodeFacts.Claim {
    init?(json: JSONValue) {
        guard let upstream = json["upstream"]?.integerValue.flatMap(UInt16.init(exactly:)),
            let reign = json["reign"]?.stringValue.flatMap(Reign.init(text:)),
            let generation = json["generation"]?.unsigned, let since = json["since_ms"]?.unsigned
        else { return nil }
        self.init(
            upstream: NodeNumber(rawValue: upstream),
            basis: TopologyVersion(reign: reign, generation: Generation(generation)),
            since: UnixMilliseconds(rawValue: since))
    }
}

extension Reign {
    /// Reads `term.holder`.
    public init?(text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let term = UInt32(parts[0]), let holder = UInt16(parts[1]) else {
            return nil
        }
        self.init(term: term, holder: NodeNumber(rawValue: holder))
    }
}
