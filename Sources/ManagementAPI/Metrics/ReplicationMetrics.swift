import Log
import Node
import Replication
import Topology

extension MetricsText {
    /// What this node receives, and what others receive from it. One label for each node at most, of
    /// which a cluster has 128.
    mutating func addReplication(_ node: Node, _ report: NodeReport, _ sync: SyncReport) {
        addOwn(node, report)
        addLinks(node.source.links())
        addRetention(sync)
    }

    private mutating func addOwn(_ node: Node, _ report: NodeReport) {
        gauge(
            "convoy_lag_entries", "This node is so much behind the primary.",
            report.lag.map { Double($0.entries) })
        gauge(
            "convoy_lag_bytes", "This node is so much behind the primary, in bytes of the log.",
            report.lag.flatMap { lag in lag.bytes.map { Double($0) } })
        gauge(
            "convoy_lag_seconds", "This node is so much behind the primary, in time.",
            report.lag.flatMap(\.seconds))
        let counted = node.fullSyncsByReason
        family(
            "convoy_full_syncs_total", "counter",
            "Full syncs that this node has finished, by reason.",
            FullSyncReason.allCases.map {
                ([("reason", $0.rawValue)], Double(counted[$0.rawValue] ?? 0))
            })
        counter(
            "convoy_partial_syncs_total", "Links of this node that began at its own position.",
            report.partialSyncs)
        counter(
            "convoy_diverged_entries_total",
            "Entries of this node that were set aside in diverged/.",
            report.divergedEntries)
        gauge("convoy_full_sync_running", "This node receives a full sync.", report.fullSync != nil)
        gauge(
            "convoy_full_sync_done_bytes", "Of the full sync that runs.",
            report.fullSync.map { Double($0.bytesDone) })
        gauge(
            "convoy_full_sync_size_bytes", "Of the full sync that runs.",
            report.fullSync.flatMap { $0.bytesTotal.map { Double($0) } })
    }

    private mutating func addLinks(_ links: [LinkStatus]) {
        func each(_ value: (LinkStatus) -> Double?) -> [(labels: Labels, value: Double?)] {
            links.map { ([("replica", $0.replicaName)], value($0)) }
        }
        family(
            "convoy_link_streaming", "gauge", "The link streams: 1, or 0.",
            each { $0.state == .streaming ? 1 : 0 })
        family(
            "convoy_link_sent_index", "gauge", "The last entry sent.",
            each { $0.sent.map { Double($0.rawValue) } })
        family(
            "convoy_link_acked_index", "gauge", "The last entry acknowledged.",
            each { $0.acked.map { Double($0.rawValue) } })
        family(
            "convoy_link_lag_entries", "gauge", "The replica is so much behind this node.",
            each { $0.lag.map { Double($0.entries) } })
        family(
            "convoy_link_lag_bytes", "gauge",
            "The replica is so much behind this node, in bytes of the log.",
            each { $0.lag.map { Double($0.bytes) } })
        family(
            "convoy_link_lag_seconds", "gauge", "The replica is so much behind this node, in time.",
            each { $0.lag.map(\.seconds) })
    }

    /// Of every configured replica of this node, also of those that no link runs with.
    private mutating func addRetention(_ sync: SyncReport) {
        func each(_ value: (ReplicaRetention) -> Double?) -> [(labels: Labels, value: Double?)] {
            sync.nodes.compactMap { report in
                report.retention.map { ([("replica", report.name)], value($0)) }
            }
        }
        family(
            "convoy_retention_headroom_seconds", "gauge",
            "Until the replica needs a full sync, at the present rate of writes; nothing while none are made.",
            each(\.headroomSeconds))
        family(
            "convoy_retention_behind_bytes", "gauge", "What the replica lacks of the log.",
            each { $0.bytesBehind.map { Double($0) } })
        family(
            "convoy_retention_limit_bytes", "gauge",
            "For so much of the log the replica is waited for.",
            each { Double($0.bytesMax) })
        family(
            "convoy_full_sync_needed", "gauge",
            "What the replica lacks is not in the log any more: 1.",
            each { $0.need == .now ? 1 : 0 })
    }
}
