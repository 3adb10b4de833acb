import ClusterKit
import JSON
import Platform
import Testing

/// A catalog that differs between two nodes at one position must not go unnoticed.
@Suite(.cluster) struct CatalogDigestTests {
    /// Three nodes with some tenants, of which n2 was damaged while it was down.
    private func damagedCluster(hidesIt: Bool) throws -> TestCluster {
        let cluster = try TestCluster(nodes: 3)
        for name in ["aa", "bb"] {
            _ = try cluster.primary.client.post(
                "/v1/namespaces", ["name": .string(name)]
            ).expecting(201)
        }
        try cluster.primary.client.waitUntilInSync()
        cluster[1].kill()
        try CatalogDamage.makeReadOnly("aa", of: cluster[1], hidesIt: hidesIt)
        return cluster
    }

    /// What is said of the catalog, whatever else is wrong for a moment on a busy machine.
    private func catalogAlarm(_ sync: JSONValue) -> JSONValue? {
        sync["alarms"]?.arrayValue?.first { $0["code"] == "catalog-differs" }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a replica whose catalog differs is an alarm everywhere until it is synced anew`() throws {
        let cluster = try damagedCluster(hidesIt: true)
        let (primary, damaged) = (cluster[0].client, cluster[1])
        try damaged.start()
        try damaged.client.waitUntilState("streaming")
        let streaming = MonotonicTime.now()
        for node in cluster.nodes {
            let alarm = try poll(within: .seconds(20), for: "\(node.name) raises the alarm") {
                () throws -> JSONValue? in
                let sync = try node.client.get("/v1/sync").expecting(200).json
                guard let alarm = catalogAlarm(sync) else { return nil }
                #expect(sync["in_sync"] == false)
                return sync["in_sync_replicas"] == 1 ? alarm : nil
            }
            print("alarm at \(node.name) \(MonotonicTime.now() - streaming) after it streams")
            #expect(alarm["node"] == "n2")
            #expect(alarm["since"]?.stringValue != nil)
            #expect(
                alarm["next_step"]?.stringValue
                    == "curl -X POST \(cluster[0].address)/v1/nodes/n2/resync")
            try poll(within: .seconds(20), for: "\(node.name) shows n2 so") {
                let view = try node.client.node("n2").json
                return view["promotable"] == false
                    && view["alarms"]?[0]?["code"] == "catalog-differs" ? true : nil
            }
            try poll(within: .seconds(20), for: "\(node.name) has it among what drifts") {
                let drift = try node.client.get("/v1/topology/drift").expecting(200).json
                let items = drift["items"]?.arrayValue ?? []
                let named = items.filter { $0["kind"] == "catalog-differs" }.map { $0["node"] }
                #expect(named.allSatisfy { $0 == "n2" })
                return named.isEmpty ? nil : true
            }
            let health = node.name == "n3" ? 200 : 503
            try poll(within: .seconds(20), for: "\(node.name) says so to a load balancer") {
                try node.client.get("/health/in-sync").status == health ? true : nil
            }
        }
        // Which namespace it is, every node says.
        for node in cluster.nodes {
            // A comparison that fails is made again after ten seconds.
            try poll(within: .seconds(40), for: "\(node.name) names what differs") {
                let found = try node.client.node("n2").json["catalog_differences"]
                return found?["count"] == 1 && found?["items"]?[0]?["name"] == "aa"
                    && found?["items"]?[0]?["difference"] == "differs" ? true : nil
            }
            let verdict = try poll(within: .seconds(20), for: "\(node.name) says it first") {
                () -> JSONValue? in
                let worst = try node.client.get("/v1/sync").expecting(200)["verdict"]?[0]
                let text = worst?["text"]?.stringValue ?? ""
                return text.contains("it has aa otherwise. Next: ") ? worst : nil
            }
            #expect(verdict["code"] == "catalog-differs")
            #expect(try node.client.node("n1").json["catalog_differences"] == .null)
        }
        for node in cluster.nodes.prefix(2) {
            try poll(within: .seconds(20), for: "\(node.name) logs it") {
                node.errorsTail(lines: 100).contains("catalog-differs") ? true : nil
            }
        }

        // It does not go away by itself, and keeps its date, however the catalog goes on.
        func since() throws -> JSONValue? {
            try catalogAlarm(primary.get("/v1/sync").expecting(200).json)?["since"]
        }
        let first = try #require(try since())
        for number in 0..<20 {
            _ = try primary.post("/v1/namespaces", ["name": "later\(number)"]).expecting(201)
            rest(.milliseconds(100))
            #expect(try since() == first)
        }

        let operation = try primary.post("/v1/nodes/n2/resync").expecting(202)
        try primary.waitUntilDone(try #require(operation["id"]?.stringValue))
        try primary.waitUntilInSync()
        for node in cluster.nodes {
            try poll(within: .seconds(20), for: "the alarm at \(node.name) ends") {
                let alarms = try node.client.get("/v1/sync").expecting(200)["alarms"]
                return alarms?[0] == nil ? true : nil
            }
        }
        try poll(within: .seconds(20), for: "n2 names nothing any more") {
            try damaged.client.node("n2").json["catalog_differences"] == .null ? true : nil
        }
        #expect(try damaged.client.get("/v1/namespaces/aa")["read_only"] == false)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that finds its own catalog damaged does not serve it, and says what to do`() throws
    {
        let cluster = try damagedCluster(hidesIt: false)
        let damaged = cluster[1]
        try damaged.start(until: .nothing)
        #expect(damaged.waitForEnd(within: .seconds(40)) != .exited(0))
        let words = damaged.errorsTail()
        #expect(words.contains("digest"), "\(words)")
        #expect(words.contains("POST"), "\(words)")

        // As it says: an empty directory, and the cluster gives it everything again.
        try FileSystem.removeTree(damaged.dataPath)
        try damaged.start(until: .alive)
        try cluster.primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
