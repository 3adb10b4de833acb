public import JSON

/// One node as `GET /v1/nodes/{name}` shows it: what the tests look at, with types.
public struct NodeView: Sendable {
    public let json: JSONValue

    public init(_ json: JSONValue) { self.json = json }

    public var name: String? { json["name"]?.stringValue }
    public var role: String? { json["running"]?["role"]?.stringValue }
    public var state: String? { json["running"]?["state"]?.stringValue }
    public var upstream: String? { json["running"]?["upstream"]?.stringValue }
    public var configuredRole: String? { json["configured"]?["role"]?.stringValue }
    public var position: PositionView? { PositionView(json["position"]) }
    public var fullSyncs: Int64? { json["counters"]?["full_syncs"]?.integerValue }
    public var partialSyncs: Int64? { json["counters"]?["partial_syncs"]?.integerValue }
    /// Entries that were taken out of this node's history and kept.
    public var divergedEntries: Int64? { json["counters"]?["diverged_entries"]?.integerValue }
    public var lastFullSyncReason: String? { json["last_full_sync"]?["reason"]?.stringValue }
    public var fullSyncReason: String? { json["full_sync"]?["reason"]?.stringValue }
    /// Of the full sync that runs; nil when none does, or nothing is known of it yet.
    public var fullSyncBytesDone: Int64? { json["full_sync"]?["bytes_done"]?.integerValue }
    public var fullSyncBytesTotal: Int64? { json["full_sync"]?["bytes_total"]?.integerValue }
    public var resumedBytes: Int64? { json["full_sync"]?["resumed_bytes"]?.integerValue }
    public var fullSyncStage: String? { json["full_sync"]?["stage"]?.stringValue }
    /// The limit that the running full sync shows.
    public var fullSyncLimit: Int64? { json["full_sync"]?["max_bytes_per_second"]?.integerValue }
    /// The limit that the node has for any full sync.
    public var fullSyncMaxBytesPerSecond: Int64? {
        json["full_sync_max_bytes_per_second"]?.integerValue
    }
    public var attempt: Int64? { json["running"]?["attempt"]?.integerValue }
    public var nextRetryAt: String? { json["running"]?["next_retry_at"]?.stringValue }
    public var claimedUpstream: String? { json["running"]?["claim"]?["upstream"]?.stringValue }
    public var catalogDigest: String? { json["catalog"]?["digest"]?.stringValue }
    public var lagEntries: Int64? { json["lag"]?["entries"]?.integerValue }
    public var lastError: String? { json["last_error"]?.stringValue }
}

/// Two nodes at the same position hold the same history.
public struct PositionView: Equatable, Sendable, CustomStringConvertible {
    public let index: UInt64
    public let hash: String

    public init?(_ json: JSONValue?) {
        guard let index = json?["index"]?.integerValue.flatMap(UInt64.init(exactly:)),
            let hash = json?["hash"]?.stringValue
        else { return nil }
        self.index = index
        self.hash = hash
    }

    public var description: String { "\(index):\(hash)" }
}
