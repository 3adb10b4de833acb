import Engine
import HTTPServer
import Log
import Node
import Platform
import Replication
import Topology

/// `/metrics`, as Prometheus reads it (text format 0.0.4).
enum MetricsResource {
    static let path = "/metrics"

    static let routes: [Route] = [Route(.get, path, .clusterRead, isHealth: true, get)]

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        var text = MetricsText()
        let sync = call.node.sync()
        addNode(&text, call, sync)
        addLog(&text, call.node)
        addLinks(&text, call.node)
        addRequests(&text, call.api)
        return .response(
            Response(
                status: 200,
                headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
                body: .bytes(text.bytes)))
    }

    private static func addNode(_ text: inout MetricsText, _ call: Call, _ sync: SyncReport) {
        let node = call.node
        let report = node.report()
        text.gauge("convoy_up", "The node answers.", 1)
        text.gauge(
            "convoy_build_info", "What runs.", 1,
            [("version", call.api.settings.version), ("node", node.name.rawValue)])
        text.begin("convoy_role", "gauge", "1 for the role that the node has.")
        for role in RunningRole.allCases {
            text.add("convoy_role", [("role", role.rawValue)], report.running?.role == role ? 1 : 0)
        }
        text.begin("convoy_state", "gauge", "1 for the state that the node is in.")
        for state in RunningState.allCases {
            text.add(
                "convoy_state", [("state", state.rawValue)], report.running?.state == state ? 1 : 0)
        }
        text.gauge("convoy_in_sync", "Every configured replica is in sync.", sync.inSync ? 1 : 0)
        text.gauge("convoy_in_sync_replicas", "Replicas in sync.", Double(sync.inSyncReplicas))
        text.gauge("convoy_converged", "What runs is as configured.", sync.converged ? 1 : 0)
        text.gauge(
            "convoy_alarms", "What is wrong and does not mend itself.",
            Double(sync.nodes.reduce(0) { $0 + $1.alarms.count }))
        text.gauge("convoy_writable", "This node takes writes.", node.isWritable ? 1 : 0)
        text.gauge(
            "convoy_topology_generation", "Of the document.",
            sync.generation.map { Double($0.rawValue) })
        text.gauge("convoy_topology_term", "Of the reign.", sync.term.map(Double.init))
        text.counter("convoy_full_syncs_total", "Full syncs finished here.", report.fullSyncs)
        text.counter("convoy_partial_syncs_total", "Partial syncs begun here.", report.partialSyncs)
        text.gauge(
            "convoy_lag_entries", "Behind the primary.", report.lag.map { Double($0.entries) })
        text.gauge("convoy_lag_seconds", "Behind the primary.", report.lag.flatMap(\.seconds))
        text.gauge(
            "convoy_disk_free_bytes", "Of the data directory's disk.", Double(node.diskFreeBytes))
        text.gauge("convoy_process_resident_bytes", "Memory in use.", ProcessMemory.residentBytes)
    }

    private static func addLog(_ text: inout MetricsText, _ node: Node) {
        guard let engine = node.engine else { return }
        let state = engine.state
        text.gauge(
            "convoy_position_index", "The last entry applied.",
            Double(state.position.index.rawValue))
        text.gauge(
            "convoy_durable_index", "The last entry synced.",
            Double(engine.log.syncedIndex.rawValue))
        text.gauge(
            "convoy_log_first_index", "The first entry kept.", Double(engine.log.first.rawValue))
        text.gauge(
            "convoy_log_last_index", "The last entry.", Double(engine.log.last.index.rawValue))
        text.gauge("convoy_log_bytes", "Of the log on disk.", Double(engine.log.bytes))
        text.gauge("convoy_namespaces", "Namespaces.", Double(state.catalog.namespaceCount))
        let reclaim = engine.reclaimStatus
        text.gauge(
            "convoy_reclaim_pending_bytes",
            "On disk of flushed and removed namespaces, about, and still to be given back.",
            Double(reclaim.pendingBytes))
        text.counter(
            "convoy_reclaimed_bytes_total",
            "Of flushed and removed namespaces, given back to the disk since the start.",
            reclaim.reclaimedBytes)
    }

    private static func addLinks(_ text: inout MetricsText, _ node: Node) {
        let links = node.source.links()
        func each(_ name: String, _ help: String, _ value: (LinkStatus) -> Double?) {
            text.begin(name, "gauge", help)
            for link in links {
                guard let value = value(link) else { continue }
                text.add(name, [("replica", link.replicaName)], value)
            }
        }
        each("convoy_link_sent_index", "The last entry sent.") {
            $0.sent.map { Double($0.rawValue) }
        }
        each("convoy_link_acked_index", "The last entry acknowledged.") {
            $0.acked.map { Double($0.rawValue) }
        }
        each("convoy_link_lag_entries", "Behind this node.") { $0.lag.map { Double($0.entries) } }
        each("convoy_link_lag_bytes", "Behind this node.") { $0.lag.map { Double($0.bytes) } }
        each("convoy_link_lag_seconds", "Behind this node.") { $0.lag.map(\.seconds) }
    }

    private static func addRequests(_ text: inout MetricsText, _ api: ManagementAPI) {
        var cells = RouteTable.routes.map {
            (method: $0.method.name, route: $0.template.text, now: api.counters[$0.number].now)
        }
        if let other = api.counters.last { cells.append(("", "none", other.now)) }
        cells.removeAll { $0.now.total == 0 }
        text.begin("convoy_http_requests_total", "counter", "Answers by route and class of status.")
        for cell in cells {
            for (place, count) in cell.now.byClass.enumerated() where count > 0 {
                text.add(
                    "convoy_http_requests_total",
                    [("method", cell.method), ("route", cell.route), ("status", "\(place + 1)xx")],
                    Double(count))
            }
        }
        let name = "convoy_http_request_duration_seconds"
        text.begin(name, "histogram", "From the whole request to its answer.")
        for cell in cells {
            let labels = [("method", cell.method), ("route", cell.route)]
            var sum: UInt64 = 0
            for (bound, count) in zip(RouteCounters.bounds, cell.now.byDuration) {
                sum += count
                text.add(name + "_bucket", labels + [("le", "\(bound)")], Double(sum))
            }
            sum += cell.now.byDuration.last ?? 0
            text.add(name + "_bucket", labels + [("le", "+Inf")], Double(sum))
            text.add(name + "_sum", labels, cell.now.seconds)
            text.add(name + "_count", labels, Double(sum))
        }
    }
}

/// What the operating system says of this process.
private enum ProcessMemory {
    private static let pageBytes = 4096.0

    /// Nil where there is no procfs.
    static var residentBytes: Double? {
        guard let file = try? File("/proc/self/statm", .read),
            let bytes = try? file.read(at: 0, count: 128)
        else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Double(words[1]).map { $0 * pageBytes } : nil
    }
}
