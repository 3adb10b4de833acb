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

    private func alarm(_ client: TestClient) throws -> JSONValue? {
        try client.get("/v1/sync").expecting(200)["alarms"]?[0]
    }

    @Test(.timeLimit(.minutes(2)))
    func `a replica whose catalog differs is an alarm everywhere until it is synced anew`() throws {
        let cluster = try damagedCluster(hidesIt: true)
        let (primary, damaged) = (cluster[0].client, cluster[1])
        try damaged.start()
        try damaged.client.waitUntilState("streaming")
        let streaming = MonotonicTime.now()
        for node in cluster.nodes {
            let sync = try poll(within: .seconds(3), for: "\(node.name) raises the alarm") {
                () throws -> JSONValue? in
                let sync = try node.client.get("/v1/sync").expecting(200).json
                guard sync["alarms"]?[0] != nil else { return nil }
                return sync
            }
            print("alarm at \(node.name) \(MonotonicTime.now() - streaming) after it streams")
            let alarm = try #require(sync["alarms"]?[0])
            #expect(alarm["code"] == "catalog-differs")
            #expect(alarm["node"] == "n2")
            #expect(alarm["since"]?.stringValue != nil)
            #expect(
                alarm["next_step"]?.stringValue
                    == "curl -X POST \(cluster[0].address)/v1/nodes/n2/resync")
            #expect(sync["in_sync"] == false)
            #expect(sync["in_sync_replicas"] == 1)
            let view = try node.client.node("n2").json
            #expect(view["alarms"]?[0]?["code"] == "catalog-differs")
            #expect(view["promotable"] == false)
            let drift = try node.client.get("/v1/topology/drift").expecting(200).json
            let items = drift["items"]?.arrayValue ?? []
            #expect(items.contains { $0["kind"] == "catalog-differs" && $0["node"] == "n2" })
            #expect(!items.contains { $0["kind"] == "catalog-differs" && $0["node"] != "n2" })
            #expect(
                try node.client.get("/health/in-sync").status == (node.name == "n3" ? 200 : 503))
        }
        // Which namespace it is, every node says.
        for node in cluster.nodes {
            try poll(within: .seconds(5), for: "\(node.name) names what differs") {
                let found = try node.client.node("n2").json["catalog_differences"]
                return found?["count"] == 1 && found?["items"]?[0]?["name"] == "aa"
                    && found?["items"]?[0]?["difference"] == "differs" ? true : nil
            }
            let verdict = try node.client.get("/v1/sync").expecting(200)["verdict"]?[0]
            #expect(verdict?["code"] == "catalog-differs")
            #expect(verdict?["text"]?.stringValue?.contains("it has aa otherwise. Next: ") == true)
            #expect(try node.client.node("n1").json["catalog_differences"] == .null)
        }
        for node in cluster.nodes.prefix(2) {
            #expect(node.errorsTail(lines: 100).contains("catalog-differs"))
        }

        // It does not go away by itself, and keeps its date, however the catalog goes on.
        let since = try alarm(primary)?["since"]
        for number in 0..<20 {
            _ = try primary.post("/v1/namespaces", ["name": "later\(number)"]).expecting(201)
            rest(.milliseconds(100))
            #expect(try alarm(primary)?["since"] == since)
        }

        let operation = try primary.post("/v1/nodes/n2/resync").expecting(202)
        try primary.waitUntilDone(try #require(operation["id"]?.stringValue))
        try primary.waitUntilInSync()
        for node in cluster.nodes {
            try poll(within: .seconds(3), for: "the alarm at \(node.name) ends") {
                try alarm(node.client) == nil ? true : nil
            }
        }
        #expect(try damaged.client.node("n2").json["catalog_differences"] == .null)
        #expect(try damaged.client.get("/v1/namespaces/aa")["read_only"] == false)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that finds its own catalog damaged does not serve it, and says what to do`() throws
    {
        let cluster = try damagedCluster(hidesIt: false)
        let damaged = cluster[1]
        try damaged.start(until: .nothing)
        #expect(damaged.waitForEnd(within: .seconds(10)) != .exited(0))
        let words = damaged.errorsTail()
        #expect(words.contains("digest"), "\(words)")
        #expect(words.contains("POST"), "\(words)")

        // As it says: an empty directory, and the cluster gives it everything again.
        try FileSystem.removeTree(damaged.dataPath)
        try damaged.start(until: .alive)
        try cluster.primary.client.waitUntilInSync(within: 30)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
