import JSON
import Log
import Platform
import Topology

extension NodeReport {
    /// Reads the report of another node. Nil when it is not one; a part that is missing is unknown.
    init?(json: JSONValue) {
        guard let name = json["name"]?.stringValue else { return nil }
        self.name = name
        address = json["address"]?.stringValue
        configured = json["configured"].flatMap(Configured.init(json:))
        running = json["running"].flatMap(Running.init(json:))
        position = Position(json: json["position"])
        durableIndex = json["durable_index"]?.unsigned.map(LogIndex.init(_:))
        lag = json["lag"].flatMap(Lag.init(json:))
        catalog = json["catalog"].flatMap(CatalogSummary.init(json:))
        fullSync = json["full_sync"].flatMap(FullSync.init(json:))
        fullSyncBytesPerSecondMax = json["full_sync_max_bytes_per_second"]?.unsigned
        diskFreeBytes = json["disk_free_bytes"]?.unsigned
        fullSyncs = json["counters"]?["full_syncs"]?.unsigned
        partialSyncs = json["counters"]?["partial_syncs"]?.unsigned
        divergedEntries = json["counters"]?["diverged_entries"]?.unsigned
        lastFullSync = json["last_full_sync"].flatMap(NodeFacts.FinishedSync.init(json:))
        vetoes = (json["vetoes"]?.arrayValue ?? []).compactMap { veto in
            veto.stringValue.map {
                Veto(code: $0.codeAndDetail.code, detail: $0.codeAndDetail.detail)
            }
        }
        catalogDifferences = json["catalog_differences"].flatMap(CatalogDifferences.init(json:))
        namespacesInTrouble = json["namespaces_in_trouble"].flatMap(NamespacesInTrouble.init(json:))
        alarms = (json["alarms"]?.arrayValue ?? []).compactMap(Alarm.init(json:))
        if let text = json["last_error"]?.stringValue, let at = json["last_error_at"]?.time {
            lastError = Failure(
                code: text.codeAndDetail.code, detail: text.codeAndDetail.detail, at: at)
        }
        observedAt = json["observed_at"]?.time
    }
}

extension NodeReport.Configured {
    init?(json: JSONValue) {
        guard let generation = json["generation"]?.unsigned else { return nil }
        role = json["role"]?.stringValue.flatMap(RunningRole.init(rawValue:))
        upstream = json["upstream"]?.stringValue
        self.generation = Generation(generation)
    }
}

extension NodeReport.Running {
    init?(json: JSONValue) {
        guard let role = json["role"]?.stringValue.flatMap(RunningRole.init(rawValue:)),
            let since = json["since"]?.time
        else { return nil }
        self.role = role
        state = json["state"]?.stringValue.flatMap(RunningState.init(rawValue:))
        self.since = since
        upstream = json["upstream"]?.stringValue
        lastProgressAt = json["last_progress_at"]?.time
        nextRetryAt = json["next_retry_at"]?.time
        attempt = json["attempt"]?.integerValue.flatMap(Int.init(exactly:)) ?? 0
        failing = json["failing"]?.stringValue.flatMap(RunningState.init(rawValue:))
        failingSince = json["failing_since"]?.time
        generation = json["generation"]?.unsigned.map(Generation.init(_:))
        term = json["term"]?.integerValue.flatMap(UInt32.init(exactly:))
        if let text = json["claim"]?["upstream"]?.stringValue,
            let at = json["claim"]?["since"]?.time
        {
            claim = NodeReport.Claim(upstream: text, since: at)
        }
    }
}

extension NodeReport.Lag {
    init?(json: JSONValue) {
        guard let entries = json["entries"]?.unsigned else { return nil }
        self.entries = entries
        bytes = json["bytes"]?.unsigned
        seconds = json["seconds"]?.numberValue
    }
}

extension NodeReport.CatalogSummary {
    init?(json: JSONValue) {
        guard let namespaces = json["namespaces"]?.integerValue.flatMap(Int.init(exactly:)),
            let digest = json["digest"]?.stringValue.flatMap(Hash128.init(hex:)),
            let index = json["index"]?.unsigned
        else { return nil }
        self.namespaces = namespaces
        self.digest = digest
        self.index = LogIndex(index)
    }
}

extension NodeReport.FullSync {
    init?(json: JSONValue) {
        guard let stage = json["stage"]?.stringValue, let reason = json["reason"]?.stringValue,
            let bytesDone = json["bytes_done"]?.unsigned
        else { return nil }
        self.stage = stage
        self.reason = reason
        self.bytesDone = bytesDone
        bytesTotal = json["bytes_total"]?.unsigned
        filesDone = json["files_done"]?.integerValue.flatMap(Int.init(exactly:)) ?? 0
        filesTotal = json["files_total"]?.integerValue.flatMap(Int.init(exactly:))
        bytesPerSecond = json["bytes_per_second"]?.numberValue
        etaSeconds = json["eta_seconds"]?.numberValue
        resumedBytes = json["resumed_bytes"]?.unsigned ?? 0
    }
}

extension NodeFacts.FinishedSync {
    init?(json: JSONValue) {
        guard let reason = json["reason"]?.stringValue, let bytes = json["bytes"]?.unsigned,
            let seconds = json["seconds"]?.numberValue, let at = json["finished_at"]?.time
        else { return nil }
        self.init(reason: reason, bytes: bytes, seconds: seconds, finishedAt: at)
    }
}

extension String {
    /// What stands before and after the first colon.
    fileprivate var codeAndDetail: (code: String, detail: String) {
        guard let colon = firstIndex(of: ":") else { return (self, "") }
        return (
            String(self[..<colon]),
            String(self[index(after: colon)...].drop { $0 == " " })
        )
    }
}

extension JSONValue {
    var time: UnixMilliseconds? { stringValue.flatMap(UnixMilliseconds.init(rfc3339:)) }
}
