import ClusterKit
import JSON
import Platform
import Testing

/// Quotas, soft quotas, and the limit of requests, as tenants meet them.
@Suite(.cluster) struct NamespaceLimitTests {
    private func change(_ client: TestClient, _ name: String, _ body: JSONValue) throws
        -> TestAnswer
    {
        try client.ask("PATCH", Path.namespace(name), json: body)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a full namespace says what its quota is and what is used, and deletes still work`() throws
    {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        _ = try client.post("/v1/namespaces", ["name": "alpha", "quota_keys": 2]).expecting(201)
        for key in ["a", "b"] {
            _ = try client.put(Path.key(key, in: "alpha"), [1]).expecting(201)
        }
        let refused = try client.put(Path.key("c", in: "alpha"), [1])
        #expect(refused.status == 507, "\(refused)")
        #expect(refused.problem == "quota-exceeded")
        #expect(refused["quota"] == "quota_keys")
        #expect(refused["limit"] == 2)
        #expect(refused["used"] == 2)
        #expect(try client.put(Path.key("a", in: "alpha"), [2]).status == 204, "no key more")
        #expect(try client.delete(Path.key("a", in: "alpha")).status == 204)
        #expect(try client.put(Path.key("c", in: "alpha"), [1]).status == 201)

        // By bytes, and after a switch of primaries just so.
        _ = try change(client, "alpha", ["quota_keys": .null, "quota_bytes": 10]).expecting(200)
        _ = try client.put(Path.key("d", in: "alpha"), [1, 2, 3, 4, 5]).expecting(201)
        try client.waitUntilInSync()
        try client.switchOver(from: "n1", to: "n2")
        let full = try cluster[1].client.put(Path.key("e", in: "alpha"), [])
        #expect(full.status == 507, "10 bytes of 10 are used: \(full)")
        #expect(full["quota"] == "quota_bytes")
        #expect(full["limit"] == 10)
        #expect(full["used"] == 10)
        #expect(try cluster[1].client.delete(Path.key("b", in: "alpha")).status == 204)
        #expect(try cluster[1].client.put(Path.key("e", in: "alpha"), [1]).status == 201)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a soft quota is told on every node when it is crossed and when use falls back`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        _ = try client.post("/v1/namespaces", ["name": "alpha", "soft_quota_keys": 20])
            .expecting(201)
        let readers = try cluster.nodes.map { try EventReader($0.client, kind: "namespace") }
        func warnings(_ node: ConvoyProcess) throws -> JSONValue? {
            try node.client.get("/v1/namespaces/alpha").expecting(200)["warnings"]
        }
        for number in 0..<21 { _ = try client.put(Path.key("k\(number)", in: "alpha"), [1]) }
        for (node, reader) in zip(cluster.nodes, readers) {
            try poll(within: .seconds(20), for: "the warning at \(node.name)") {
                try warnings(node) == ["soft_quota_keys"] ? true : nil
            }
            let event = try poll(within: .seconds(20), for: "the event at \(node.name)") {
                reader.events.first { $0["what"] == "soft-quota-exceeded" }
            }
            #expect(event["subject"] == "alpha")
            #expect(event["data"]?["quota"] == "soft_quota_keys")
            #expect(event["data"]?["limit"] == 20)
            #expect(event["data"]?["used"] == 21)
        }
        let metrics = Exposition(try client.get("/metrics").text)
        #expect(
            metrics.value("convoy_namespaces_over_soft_quota", ["quota": "soft_quota_keys"]) == 1)
        // At the quota nothing is exceeded; told is that only when use is well below it.
        _ = try client.delete(Path.key("k0", in: "alpha")).expecting(204)
        #expect(try warnings(cluster.primary) == [])
        _ = try client.put(Path.key("k0", in: "alpha"), [1]).expecting(201)
        _ = try client.delete(Path.key("k0", in: "alpha")).expecting(204)
        for number in 1..<3 {
            _ = try client.delete(Path.key("k\(number)", in: "alpha")).expecting(204)
        }
        for (node, reader) in zip(cluster.nodes, readers) {
            try poll(within: .seconds(20), for: "the end of the warning at \(node.name)") {
                try warnings(node) == [] ? true : nil
            }
            try poll(within: .seconds(20), for: "the event of it at \(node.name)") {
                reader.events.first { $0["what"] == "soft-quota-ended" }
            }
            #expect(reader.events.count { $0["what"] == "soft-quota-exceeded" } == 1)
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `trouble is the same on every node, also after a restart and a full sync`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let names = ["full", "nearly", "soft", "still", "well"]
        let wanted: [JSONValue] = [
            ["name": "full", "quota_keys": 4], ["name": "nearly", "quota_keys": 5],
            ["name": "soft", "soft_quota_keys": 3], ["name": "still"],
            ["name": "well", "quota_keys": 9],
        ]
        let made = try client.post("/v1/namespaces/batch", ["create": .array(wanted)])
            .expecting(201)
        #expect(made["items"]?.arrayValue?.count == 5)
        let again = try client.post("/v1/namespaces/batch", ["create": .array(wanted.suffix(2))])
        #expect(again.status == 409)
        #expect(
            again["errors"]?.arrayValue?.map { $0["pointer"] } == [
                "/create/0/name", "/create/1/name",
            ])
        for name in names {
            for key in 0..<4 {
                _ = try client.put(Path.key("k\(key)", in: name), [1]).expecting(201)
            }
        }
        // Below the soft quota again, and not well below it.
        _ = try client.put(Path.key("k9", in: "soft"), [1]).expecting(201)
        _ = try change(client, "still", ["read_only": true]).expecting(200)
        try client.waitUntilInSync()

        func trouble(_ node: ConvoyProcess) throws -> [String: JSONValue] {
            let listed =
                try node.client.get("/v1/namespaces?in_trouble=true&sort=keys&order=desc")
                .expecting(200)["items"]?.arrayValue ?? []
            return Dictionary(
                uniqueKeysWithValues: listed.compactMap { item in
                    item["name"]?.stringValue.map { ($0, item["trouble"] ?? .null) }
                })
        }
        let expected: [String: JSONValue] = [
            "full": ["quota-keys-used-up"], "nearly": ["quota-keys-nearly-used-up"],
            "soft": ["soft-quota-keys-exceeded"], "still": ["read-only"],
        ]
        func check(_ when: String) throws {
            for node in cluster.nodes {
                #expect(try trouble(node) == expected, "\(when), \(node.name)")
                // Of nodes there may be something to tell, too, for as long as one of them is late.
                var verdict: [String] = []
                let isTold = try? poll(within: .seconds(20), for: "the verdict") { () -> Bool? in
                    let sync = try node.client.get("/v1/sync").expecting(200)
                    verdict = (sync["verdict"]?.arrayValue ?? []).compactMap {
                        $0["code"]?.stringValue
                    }
                    let told = [
                        "quota-used-up", "soft-quota-exceeded", "read-only", "quota-nearly-used-up",
                    ]
                    return verdict == told ? true : nil
                }
                #expect(isTold == true, "\(when), \(node.name): \(verdict)")
                // What each tells of itself, the others ask for each second.
                try poll(within: .seconds(20), for: "the others' words at \(node.name), \(when)") {
                    let views = try node.client.get("/v1/sync")["nodes"]?.arrayValue ?? []
                    return views.allSatisfy { view in
                        let told = view["namespaces_in_trouble"]
                        return told?["used_up"] == 1 && told?["items"]?[0]?["name"] == "full"
                            && told?["items"]?.arrayValue?.count == 4
                    } ? true : nil
                }
            }
        }
        try check("at first")
        let metrics = Exposition(try client.get("/metrics").text)
        #expect(
            metrics.value("convoy_namespaces_in_trouble", ["trouble": "quota-keys-used-up"]) == 1)
        for node in cluster.nodes {
            node.kill()
            try node.start()
        }
        try client.waitUntilInSync()
        try check("after restarts")
        let operation = try client.post("/v1/nodes/n2/resync").expecting(202)
        try client.waitUntilDone(try #require(operation["id"]?.stringValue))
        try client.waitUntilInSync()
        try check("after a full sync")
    }

    @Test(.timeLimit(.minutes(3)))
    func `what flushing and deleting a namespace would do is said before it is done`() throws {
        let client = try TestCluster().primary.client
        _ = try client.post("/v1/namespaces", ["name": "shop"]).expecting(201)
        for key in 0..<3 { _ = try client.put(Path.key("k\(key)", in: "shop"), [1, 2]) }
        func codes(_ list: JSONValue?) -> [String] {
            list?.arrayValue?.compactMap { $0["code"]?.stringValue } ?? []
        }
        let before = try client.get("/v1/nodes/self")["position"]
        let flush = try client.post("/v1/namespaces/shop/flush?dry_run=true").expecting(200)
        #expect(codes(flush["steps"]) == ["flush-namespace"])
        #expect(codes(flush["risks"]).first == "data-loss")
        let evidence = flush["risks"]?[0]?["evidence"]?.arrayValue ?? []
        #expect(evidence.map { $0["value"]?.numberValue } == [3, 12])
        #expect(codes(flush["blockers"]) == [])
        let delete = try client.ask("DELETE", "/v1/namespaces/shop?dry_run=true").expecting(200)
        #expect(codes(delete["steps"]) == ["delete-namespace"])
        #expect(codes(delete["risks"]).contains("tokens-end"))
        #expect(try client.get("/v1/nodes/self")["position"] == before, "nothing was done")

        // What would forbid it is what forbids it.
        _ = try change(client, "shop", ["read_only": true]).expecting(200)
        let blocked = try client.post("/v1/namespaces/shop/flush?dry_run=true").expecting(200)
        #expect(codes(blocked["blockers"]) == ["read-only"])
        #expect(try client.post("/v1/namespaces/shop/flush").problem == "read-only")
        let permanent = try client.ask("DELETE", "/v1/namespaces/default?dry_run=true")
            .expecting(200)
        #expect(codes(permanent["blockers"]) == ["namespace-is-permanent"])
        #expect(try client.post("/v1/namespaces/nobody/flush?dry_run=true").status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `more requests than a namespace may make are turned away, and only those`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let limit = 5
        _ = try client.post(
            "/v1/namespaces", ["name": "alpha", "max_requests_per_second": JSONValue(limit)]
        ).expecting(201)
        _ = try client.createNamespace("beta")
        try client.waitUntilInSync()
        // Each node by itself, reads and writes together; with a body and without one.
        for node in cluster.nodes {
            let start = MonotonicTime.now()
            var statuses: [Int] = []
            var refused: TestAnswer?
            for number in 0..<40 {
                let answer =
                    number.isMultiple(of: 2) && node.name == "n1"
                    ? try node.client.put(Path.key("k", in: "alpha"), [1, 2, 3])
                    : try node.client.get(Path.key("none", in: "alpha"))
                statuses.append(answer.status)
                if answer.status == 429 { refused = answer }
            }
            let seconds = (MonotonicTime.now() - start).inSeconds
            let passed = statuses.count { $0 != 429 }
            #expect(passed >= limit, "\(node.name): \(statuses)")
            #expect(
                Double(passed) <= Double(limit) * (1 + seconds) + 1, "\(node.name): \(statuses)")
            let answer = try #require(refused, "\(node.name): \(statuses)")
            #expect(answer.problem == "too-many-requests")
            #expect(answer["quota"] == "max_requests_per_second")
            #expect(answer["limit"] == JSONValue(limit))
            #expect(try #require(answer["retry_after_ms"]?.integerValue) <= 1_000)
            let after = try #require(answer.header("Retry-After").flatMap { Int($0) })
            #expect(after == 1)
        }
        // Others, and what manages the namespace, are not counted.
        for _ in 0..<20 {
            #expect(try client.get(Path.key("none", in: "beta")).status == 404)
            #expect(try client.get("/v1/namespaces/alpha").status == 200)
        }
        for _ in 0..<3 { #expect(try client.post("/v1/namespaces/alpha/flush").status == 200) }
        rest(.milliseconds(1_100))
        #expect(try client.get("/v1/namespaces/alpha/keys").status == 200, "it may again")
        #expect(
            Exposition(try client.get("/metrics").text).value("convoy_requests_limited_total")
                ?? 0 > 0)

        // The limit stays over a restart, and goes when it is taken away.
        try cluster.primary.stop()
        try cluster.primary.start()
        #expect(
            try client.get("/v1/namespaces/alpha")["max_requests_per_second"] == JSONValue(limit))
        _ = try change(client, "alpha", ["max_requests_per_second": .null]).expecting(200)
        for _ in 0..<30 { #expect(try client.get("/v1/namespaces/alpha/keys").status == 200) }
        for wrong in [0, -1, 1_000_001, "5"] as [JSONValue] {
            #expect(try change(client, "alpha", ["max_requests_per_second": wrong]).status == 422)
        }
    }
}
