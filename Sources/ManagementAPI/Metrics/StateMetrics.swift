import Engine
import Log
import Node
import Platform
import Topology

extension MetricsText {
    /// What this node is and knows.
    mutating func addNode(_ node: Node, _ report: NodeReport, _ sync: SyncReport, version: String) {
        gauge("convoy_up", "The node answers.", true)
        gauge(
            "convoy_build_info", "What runs.", 1,
            [("version", version), ("node", node.name.rawValue)])
        family(
            "convoy_role", "gauge", "1 for the role that the node has.",
            RunningRole.allCases.map {
                ([("role", $0.rawValue)], report.running?.role == $0 ? 1 : 0)
            })
        family(
            "convoy_state", "gauge", "1 for the state that the node is in.",
            RunningState.allCases.map {
                ([("state", $0.rawValue)], report.running?.state == $0 ? 1 : 0)
            })
        gauge("convoy_ready", "This node can serve.", node.unreadiness().isEmpty)
        gauge("convoy_writable", "This node takes writes.", node.isWritable)
        gauge("convoy_in_sync", "Every configured replica is in sync.", sync.inSync)
        gauge("convoy_in_sync_replicas", "Replicas in sync.", Double(sync.inSyncReplicas))
        gauge(
            "convoy_configured_replicas", "Replicas in the topology.",
            Double(sync.configuredReplicas)
        )
        gauge("convoy_converged", "What runs is as configured.", sync.converged)
        let alarms = sync.nodes.flatMap(\.alarms)
        family(
            "convoy_alarms", "gauge", "What is wrong and does not mend itself, by code.",
            AlarmCode.allCases.map { code in
                (
                    [("code", code.rawValue)],
                    Double(alarms.count { $0.code == code.rawValue })
                )
            })
        let drift = node.driftReport().items.map(\.item.kind)
        family(
            "convoy_drift_items", "gauge",
            "Where what runs differs from what is configured, by kind.",
            DriftItem.Kind.allCases.map { kind in
                ([("kind", kind.rawValue)], Double(drift.count { $0 == kind }))
            })
        let operations = node.operationCounts()
        family(
            "convoy_operations", "gauge", "Operations that are kept, by state.",
            [OperationRecord.State.running, .succeeded, .failed, .cancelled].map { state in
                ([("state", state.word)], operations.map { Double($0[state] ?? 0) })
            })
        gauge(
            "convoy_topology_generation", "Of the document.",
            sync.generation.map { Double($0.rawValue) })
        gauge("convoy_topology_term", "Of the reign.", sync.term.map { Double($0) })
        gauge(
            "convoy_loss_exposure_entries",
            "What would be lost if the primary died now and the best replica took over.",
            sync.exposure?.entries.map { Double($0) })
        gauge(
            "convoy_loss_exposure_seconds",
            "What would be lost if the primary died now and the best replica took over, in time.",
            sync.exposure.flatMap(\.seconds))
    }

    /// The log, the state and the disk.
    mutating func addStorage(_ node: Node) {
        gauge(
            "convoy_disk_free_bytes", "Of the data directory's disk.", Double(node.diskFreeBytes))
        gauge(
            "convoy_disk_reserve_bytes", "Writes are refused when less is free.",
            Double(node.options.diskReserveBytes))
        guard let engine = node.engine else { return }
        let state = engine.state
        gauge(
            "convoy_position_index", "The last entry applied.",
            Double(state.position.index.rawValue))
        gauge(
            "convoy_durable_index", "The last entry synced.",
            Double(engine.log.syncedIndex.rawValue))
        gauge("convoy_log_first_index", "The first entry kept.", Double(engine.log.first.rawValue))
        gauge("convoy_log_last_index", "The last entry.", Double(engine.log.last.index.rawValue))
        gauge("convoy_log_bytes", "Of the log on disk.", Double(engine.log.bytes))
        gauge(
            "convoy_state_bytes", "Of the state, on disk and in memory that is yet to be written.",
            Double(node.stateBytes))
        let reclaim = engine.reclaimStatus
        gauge(
            "convoy_reclaim_pending_bytes",
            "On disk of flushed and removed namespaces, about, and still to be given back.",
            Double(reclaim.pendingBytes))
        counter(
            "convoy_reclaimed_bytes_total",
            "Of flushed and removed namespaces, given back to the disk since the start.",
            reclaim.reclaimedBytes)
        gauge("convoy_namespaces", "Namespaces.", Double(state.catalog.namespaceCount))
    }

    /// The namespaces that use most bytes. Never more: each is a label.
    mutating func addNamespaces(_ catalog: Catalog) {
        func top(_ order: NamespaceOrder) -> [Namespace] {
            let listing = NamespaceListing(
                order: order, isDescending: true, countMax: MetricsText.namespacesMax)
            return catalog.namespaces(listing).map(\.namespace)
        }
        let largest = top(.bytes)
        family(
            "convoy_namespace_bytes", "gauge",
            "Of keys and values, of the \(MetricsText.namespacesMax) namespaces that use most.",
            largest.map { ($0.label, Double($0.currentUsage.bytes)) })
        family(
            "convoy_namespace_keys", "gauge",
            "Of the \(MetricsText.namespacesMax) namespaces that use most bytes.",
            largest.map { ($0.label, Double($0.currentUsage.keys)) })
        let now = MonotonicTime.now()
        let counts = catalog.namespaces(in: NamespaceTrouble.all, countMax: 0).counts
        let troubled = Dictionary(uniqueKeysWithValues: zip(NamespaceTrouble.all, counts))
        family(
            "convoy_namespace_reads_per_second", "gauge",
            "Requests that read, at this node, of the \(MetricsText.namespacesMax) namespaces that get most.",
            top(.readsPerSecond).map { ($0.label, $0.traffic.readsPerSecond(at: now)) })
        family(
            "convoy_namespace_writes_per_second", "gauge",
            "Requests that change keys, at this node, of the \(MetricsText.namespacesMax) namespaces that get most.",
            top(.writesPerSecond).map { ($0.label, $0.traffic.writesPerSecond(at: now)) })
        family(
            "convoy_namespaces_over_soft_quota", "gauge",
            "Namespaces that use more than their soft quota, by quota.",
            SoftQuotas.all.map { quota in
                let count = troubled[NamespaceTrouble(rawValue: quota.rawValue)] ?? 0
                return ([("quota", quota.words.joined())], Double(count))
            })
        family(
            "convoy_namespaces_in_trouble", "gauge",
            "Namespaces that do not take all that is written to them, or soon will not, by why.",
            NamespaceTrouble.all.map {
                ([("trouble", $0.words.joined())], Double(troubled[$0] ?? 0))
            })
    }

    static let namespacesMax = 20
}

extension Namespace {
    fileprivate var label: [(String, String)] { [("namespace", record.name.rawValue)] }
}
