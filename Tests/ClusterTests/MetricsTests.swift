import ClusterKit
import Foundation
import JSON
import Platform
import Testing

/// What Prometheus reads.
@Suite(.cluster) struct MetricsTests {
    private func metrics(_ node: ConvoyProcess) throws -> Exposition {
        Exposition(try node.client.get("/metrics").expecting(200).text)
    }

    @Test(.timeLimit(.minutes(3)))
    func `metrics can be read, follow the rules, and say what the node is`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.get("/v1/nowhere").expecting(404)
        _ = try primary.client.put(Path.key("k"), [1]).expecting(201)
        try primary.client.waitUntilInSync()
        // An acknowledgement may still be on its way.
        let one = try poll(within: .seconds(20), for: "nothing is behind, by n1") {
            let seen = try metrics(primary)
            let behind = ["convoy_link_lag_entries", "convoy_retention_behind_bytes"]
            let isSettled = behind.allSatisfy { seen.value($0, ["replica": "n2"]) == 0 }
            let hasDrift = seen.all("convoy_drift_items").contains { $0.value != 0 }
            let events = seen.value("convoy_events_total", ["kind": "topology"]) ?? 0
            return isSettled && !hasDrift && events > 0 ? seen : nil
        }
        let two = try poll(within: .seconds(20), for: "nothing is behind, by n2") {
            let seen = try metrics(replica)
            let isStreaming = seen.value("convoy_state", ["state": "streaming"]) == 1
            return isStreaming && seen.value("convoy_lag_entries") == 0 ? seen : nil
        }
        #expect(one.faults == [] && two.faults == [])
        #expect(one.value("convoy_role", ["role": "primary"]) == 1)
        #expect(two.value("convoy_role", ["role": "replica"]) == 1)
        #expect(two.value("convoy_state", ["state": "streaming"]) == 1)
        #expect(two.value("convoy_full_syncs_total", ["reason": "empty"]) == 1)
        #expect(two.value("convoy_full_syncs_total", ["reason": "requested"]) == 0)
        for name in ["entries", "bytes", "seconds"] {
            #expect(one.value("convoy_link_lag_\(name)", ["replica": "n2"]) == 0, "\(name)")
        }
        #expect(two.value("convoy_lag_entries") == 0 && two.value("convoy_lag_seconds") == 0)
        #expect(one.value("convoy_retention_limit_bytes", ["replica": "n2"]) == Double(8 << 30))
        #expect(one.value("convoy_operations", ["state": "succeeded"]) == 1)
        #expect(one.all("convoy_drift_items").count >= 8)
        #expect(one.all("convoy_drift_items").allSatisfy { $0.value == 0 })
        #expect(try #require(one.value("convoy_events_total", ["kind": "topology"])) > 0)
        // This one, and perhaps a peer's.
        #expect(try #require(one.value("convoy_http_requests_in_flight")) >= 1)
        #expect(
            one.value("convoy_http_requests_total", ["route": "none", "status": "4xx"]) == 1)
        let key = "/v1/namespaces/{ns}/keys/{key}"
        #expect(
            one.value(
                "convoy_http_request_duration_seconds_count", ["route": key, "method": "PUT"])
                == 1)
        #expect(try #require(one.value("process_resident_memory_bytes")) > 1e6)
        #expect(try #require(one.value("process_max_fds")) > 10)
        #expect(try #require(one.value("process_open_fds")) > 10)
        #expect(try #require(one.value("convoy_retention_behind_bytes", ["replica": "n2"])) == 0)
        #expect(try #require(one.value("process_cpu_seconds_total")) > 0)
        let started = try #require(one.value("process_start_time_seconds"))
        #expect(abs(started - Date().timeIntervalSince1970) < 60)
        #expect(try #require(one.value("convoy_build_info", ["node": "n1"])) == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `however many namespaces there are, twenty are shown, those that use most`() throws {
        let client = try TestCluster().primary.client
        let names = (0..<3_000).map { "ns-\($0)" }
        let create = names.map { JSONValue.object(["name": .string($0)]) }
        _ = try client.post("/v1/namespaces/batch", ["create": .array(create)]).expecting(201)
        for number in 0..<30 {
            let value = [UInt8](repeating: 7, count: 100 + number)
            _ = try client.put(Path.key("k", in: "ns-\(number)"), value).expecting(201)
        }
        let metrics = Exposition(try client.get("/metrics").expecting(200).text)
        #expect(metrics.faults == [])
        let shown = metrics.all("convoy_namespace_bytes")
        #expect(shown.map(\.labels) == (10..<30).reversed().map { ["namespace": "ns-\($0)"] })
        #expect(shown.map(\.value) == (10..<30).reversed().map { Double(101 + $0) })
        #expect(metrics.all("convoy_namespace_keys").count == 20)
        #expect(metrics.value("convoy_namespaces") == 3_001)
    }

    @Test(.timeLimit(.minutes(3)))
    func `metrics that are open to everyone name no namespace`() throws {
        let client = try TestCluster(flags: ["--open-metrics"]).primary.client
        _ = try client.createNamespace("secret-customer")
        let text = try client.get("/metrics").expecting(200).text
        #expect(text.contains("convoy_namespaces 2\n"))
        #expect(!text.contains("secret-customer"))
    }

    @Test(.timeLimit(.minutes(3)))
    func `promtool finds nothing, where it is installed`() throws {
        let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        guard let promtool else { return }
        let cluster = try TestCluster(nodes: 2)
        for node in cluster.nodes {
            let text = try node.client.get("/metrics").expecting(200).body
            let run = try CommandRun(promtool, ["check", "metrics"], input: text)
            #expect(run.exitCode == 0 && run.errors.isEmpty, "\(run.text) \(run.errors)")
        }
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let rules = try CommandRun(
            promtool, ["check", "rules", root.appending(path: "docs/alerts.yml").path])
        #expect(rules.exitCode == 0, "\(rules.text) \(rules.errors)")
    }
}
