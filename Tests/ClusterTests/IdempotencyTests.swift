import ClusterKit
import JSON
import Platform
import Testing

/// Requests that are sent again.
@Suite(.cluster) struct IdempotencyTests {
    private func key(_ text: String) -> [(String, String)] { [("Idempotency-Key", text)] }

    @Test(.timeLimit(.minutes(3)))
    func `the same request again is not carried out again, and no secret is shown twice`() throws {
        let client = try TestCluster().primary.client
        let body: JSONValue = ["name": "aa", "quota_keys": 7]
        let first = try client.post("/v1/namespaces", body, headers: key("one")).expecting(201)
        let again = try client.post("/v1/namespaces", body, headers: key("one")).expecting(201)
        #expect(first["token"]?.stringValue?.hasPrefix("cvy_") == true)
        #expect(again["token"] == .null && again["token_shown"] == true)
        #expect(again.header("Idempotency-Replayed") == "true")
        for name in ["Location", "Convoy-Index"] {
            #expect(again.header(name) == first.header(name))
        }
        for name in ["id", "name", "created_at", "quota_keys"] {
            #expect(again[name] == first[name])
        }
        let other: JSONValue = ["name": "bb"]
        for answer in [
            try client.post("/v1/namespaces", other, headers: key("one")),
            try client.post("/v1/namespaces/aa/flush", headers: key("one")),
        ] {
            #expect(answer.status == 422 && answer.problem == "idempotency-key-reused", "\(answer)")
        }
        #expect(try client.namespaceNames() == ["aa", "default"])
        let many: JSONValue = ["create": [["name": "cc"], ["name": "dd"]]]
        _ = try client.post("/v1/namespaces/batch", many, headers: key("two")).expecting(201)
        let items =
            try client.post("/v1/namespaces/batch", many, headers: key("two"))
            .expecting(201)["items"]?.arrayValue ?? []
        #expect(items.map { $0["name"]?.stringValue } == ["cc", "dd"])
        #expect(items.allSatisfy { $0["token"] == .null && $0["token_shown"] == true })
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that is moved is moved once, and its answer says how it stands by then`() throws {
        let cluster = try TestCluster(nodes: 3)
        let client = cluster.primary.client
        func move(_ upstream: String, _ name: String) throws -> TestAnswer {
            let body: JSONValue = ["upstream": .string(upstream)]
            return try client.ask("PATCH", "/v1/nodes/n3", json: body, headers: key(name))
        }
        let first = try move("n2", "move").expecting(200)
        #expect(first["configured"]?["upstream"] == "n2")
        _ = try move("n1", "back").expecting(200)
        let again = try move("n2", "move").expecting(200)
        #expect(again.header("Idempotency-Replayed") == "true")
        #expect(again["configured"]?["upstream"] == "n1", "it was not moved again")
        #expect(try move("n1", "move").problem == "idempotency-key-reused")
        try client.waitUntilInSync()
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `each answer is the same to the last byte, also of the next primary and after its restart`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        _ = try client.createNamespace("aa")
        let batch: JSONValue = [
            "operations": [
                ["op": "put", "key": "k", "value": "1"], ["op": "delete", "key": "none"],
            ]
        ]
        let patch: JSONValue = ["read_only": false]
        let requests: [(method: String, path: String, body: JSONValue?)] = [
            ("POST", "/v1/namespaces/aa/batch", batch), ("POST", "/v1/barriers", nil),
            ("PATCH", "/v1/namespaces/aa", patch), ("POST", "/v1/namespaces/aa/flush", nil),
        ]
        func send(to client: TestClient) throws -> [TestAnswer] {
            try requests.map { request in
                try client.ask(
                    request.method, request.path, json: request.body,
                    headers: key("key-\(request.path)")
                ).expecting(200)
            }
        }
        let first = try send(to: client)
        _ = try client.put(Path.key("k", in: "aa"), [2]).expecting(201)
        #expect(try send(to: client).map(\.body) == first.map(\.body))
        try client.waitUntilInSync()
        let replica = cluster[1]
        cluster.primary.kill()
        try replica.client.becomePrimary("n2", acceptDataLoss: true)
        let there = try send(to: replica.client)
        #expect(there.map(\.body) == first.map(\.body))
        #expect(there.allSatisfy { $0.header("Idempotency-Replayed") == "true" })
        replica.kill()
        try replica.start()
        #expect(try send(to: replica.client).map(\.body) == first.map(\.body))
        #expect(try replica.client.get(Path.key("k", in: "aa")).body == [2], "done once")
    }

    @Test(.timeLimit(.minutes(3)))
    func `of many that are sent at once one is carried out, and all have its answer`() throws {
        let client = try TestCluster().primary.client
        let body: JSONValue = ["operations": [["op": "put", "key": "k", "value": "1"]]]
        let answers = try Parallel.map(Array(0..<32), threads: 16) { _ in
            try client.post("/v1/namespaces/default/batch", body, headers: key("k")).expecting(200)
        }
        #expect(Set(answers.map(\.body)).count == 1)
        #expect(answers.count { $0.header("Idempotency-Replayed") == nil } == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a request that failed may be sent again, and keys of one caller are not another's`()
        throws
    {
        let client = try TestCluster().primary.client
        let flush = "/v1/namespaces/aa/flush"
        _ = try client.post(flush, headers: key("k")).expecting(404)
        let token = try client.createNamespace("aa")
        let first = try client.post(flush, headers: key("k")).expecting(200)
        let tenant = client.with(token: token)
        let other = try tenant.post(flush, headers: key("k")).expecting(200)
        #expect(other.header("Idempotency-Replayed") == nil)
        #expect(other.index != first.index)
        for bad in ["a b", String(repeating: "x", count: 256), "é"] {
            let answer = try client.post(flush, headers: key(bad))
            #expect(answer.status == 400, "\(bad): \(answer)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `an operation is begun once, however often it is asked for`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let node = try cluster.start(cluster.makeNode())
        let body: JSONValue = ["address": .string(node.client.base)]
        let first = try client.post("/v1/nodes", body, headers: key("add")).expecting(202)
        let id = try #require(first["id"]?.stringValue)
        try client.waitUntilDone(id)
        let again = try client.post("/v1/nodes", body, headers: key("add")).expecting(202)
        #expect(again["id"] == first["id"] && again["state"] == "succeeded")
        #expect(again.header("Location") == first.header("Location"))
        #expect(again.header("Idempotency-Replayed") == "true")
        let other: JSONValue = ["address": .string(node.client.base), "discard_data": true]
        #expect(try client.post("/v1/nodes", other, headers: key("add")).status == 422)

        try client.waitUntilInSync()
        let move: JSONValue = ["from": "n1", "to": "n2"]
        let switchover = try client.post("/v1/topology/switchover", move, headers: key("move"))
            .expecting(202)
        try client.waitUntilDone(try #require(switchover["id"]?.stringValue))
        let repeated = try node.client.post("/v1/topology/switchover", move, headers: key("move"))
        #expect(repeated.status == 202 && repeated["id"] == switchover["id"], "\(repeated)")
        #expect(try node.client.node().role == "primary")
    }

    @Test(.timeLimit(.minutes(3)))
    func `what too few replicas acknowledged is not done twice, and waits for them again`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        try client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try client.waitUntilInSync()
        let body: JSONValue = ["operations": [["op": "put", "key": "k", "value": "1"]]]
        func send() throws -> TestAnswer {
            try client.post("/v1/namespaces/default/batch", body, headers: key("k"))
        }
        cluster[1].pause()
        let late = try send()
        #expect(late.status == 504 && late.problem == "acks-timeout", "\(late)")
        let index = try #require(late["index"]?.integerValue.map { UInt64($0) })
        cluster[1].resume()
        try client.waitUntilInSync()
        // It may take longer than the five seconds of one request.
        let again = try poll(within: .seconds(30), for: "the answer to a write that n2 has") {
            let answer = try send().expecting(200, 504)
            return answer.status == 200 ? answer : nil
        }
        #expect(again.index == index && again.header("Idempotency-Replayed") == "true")
        #expect(try client.get(Path.key("k")).etag == "\"\(index)-0\"")
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token that was shown is on no disk`() throws {
        let cluster = try TestCluster()
        let node = cluster.primary
        let body: JSONValue = ["name": "aa"]
        let answer = try node.client.post("/v1/namespaces", body, headers: key("k")).expecting(201)
        let token = try #require(answer["token"]?.stringValue)
        let parts = token.split(separator: "_").map(String.init)
        #expect(parts.count == 4)
        #expect(try node.stop() == .exited(0))
        let log = "\(node.dataPath)/data/i000001/log"
        let bytes = try FileSystem.list(log).flatMap { try FileSystem.readAll("\(log)/\($0)") }
        func holds(_ text: String) -> Bool { bytes.firstRange(of: Array(text.utf8)) != nil }
        #expect(holds("token_shown"), "the answer is there")
        #expect(holds(parts[2]), "by which the token is found")
        #expect(!holds(token) && !holds(String(parts[3].prefix(43))), "and not what it proves")
    }
}
