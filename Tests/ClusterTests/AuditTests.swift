import ClusterKit
import JSON
import Testing

/// Who changed what, when, from where and why, on every node, and never with a secret in it.
@Suite(.cluster) struct AuditTests {
    private func actions(_ client: TestClient) throws -> [String] {
        try client.list("/v1/audit").compactMap { $0["what"]?.stringValue }
    }

    @Test(.timeLimit(.minutes(3)))
    func `every change says who made it, from where and why, on every node`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let why = [("X-Change-Reason", "a tenant came")]
        let made = try client.post("/v1/namespaces", ["name": "alpha"], headers: why).expecting(201)
        let scopes: JSONValue = ["cluster:read", "namespaces:write", "tokens:admin"]
        let token = try client.post("/v1/tokens", ["scopes": scopes]).expecting(201)
        let admin = client.with(token: try #require(token["token"]?.stringValue))
        _ = try admin.ask("PATCH", "/v1/namespaces/alpha", json: ["quota_keys": 7]).expecting(200)
        _ = try admin.put(Path.key("k", in: "alpha"), [1]).expecting(201)
        let flushed = try admin.post("/v1/namespaces/alpha/flush").expecting(200)
        try cluster[1].client.with(token: admin.token)
            .waitUntilApplied(try #require(PositionView(flushed["position"])).index)

        // What the node itself does, as ending what took n2 in, may come between the two.
        let records = try poll(within: .seconds(20), for: "the same audit on both nodes") {
            let records = try admin.list("/v1/audit", pageSize: 3)
            let replica = try cluster[1].client.with(token: admin.token).list("/v1/audit")
            return records == replica ? records : nil
        }
        func record(_ what: String) throws -> JSONValue {
            try #require(records.first { $0["what"] == .string(what) }, "\(what)")
        }
        let create = try record("namespace.create")
        #expect(create["who"] == "anonymous")
        #expect(create["from"] == "127.0.0.1")
        #expect(create["why"] == "a tenant came")
        #expect(create["index"]?.integerValue.map { UInt64($0) } == made.index)
        let change = try record("namespace.change")
        let id = try #require(token["id"]?.stringValue)
        #expect(change["who"] == .string("token:\(id)"))
        let difference = change["changes"]?.arrayValue?.first
        #expect(difference?["before"] == ["quota_keys": .null])
        #expect(difference?["after"] == ["quota_keys": 7])
        _ = try record("namespace.flush")
        _ = try record("token.create")
        let added = try record("topology.change")
        #expect(added["who"] == "anonymous")
        #expect(added["from"] == "127.0.0.1")
        #expect(try record("add-node.success")["who"] == "system")
        #expect(try record("cluster.birth")["number"] == 1)

        for node in cluster.nodes {
            let found = try node.client.with(token: admin.token).get("/v1/audit/verify")
                .expecting(200)
            #expect(found["intact"] == true, "\(found)")
        }
        let text = records.map { String(decoding: $0.serialized(), as: UTF8.self) }.joined()
        #expect(!text.contains("cvy_"))
        #expect(!text.contains("hash"))
    }

    @Test(.timeLimit(.minutes(3)))
    func `what a node does by itself is in the audit, and it outlives a failover`() throws {
        let cluster = try TestCluster(nodes: 2)
        try cluster.primary.stop()
        try cluster.primary.start()
        try cluster.primary.client.waitUntilInSync()
        let restarted = try cluster.primary.client.list("/v1/audit")
        #expect(restarted.first?["what"] == "topology.reign")
        #expect(restarted.first?["who"] == "system")
        cluster.primary.kill()
        let answer = try cluster[1].client.post(
            "/v1/topology/failover",
            ["to": "n2", "accept_data_loss": true, "reason": "n1 is gone"]
        ).expecting(202)
        try cluster[1].client.waitUntilDone(try #require(answer["id"]?.stringValue))
        let records = try cluster[1].client.list("/v1/audit")
        #expect(records.suffix(restarted.count) == restarted[...])
        let reign = try #require(
            records.first { $0["what"] == "topology.reign" && $0["why"] == "n1 is gone" })
        #expect(reign["who"] == "anonymous")
        #expect(reign["from"] == "127.0.0.1")
        #expect(try cluster[1].client.get("/v1/audit/verify")["intact"] == true)
        try cluster[1].stop()
        let check = try CommandRun(try ConvoyBinary.path(), ["check", cluster[1].dataPath])
        #expect(check.exitCode == 0, "\(check.text)")
    }
}
