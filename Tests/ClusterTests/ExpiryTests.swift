import ClusterKit
import JSON
import Platform
import Testing

/// Values with a lifetime, as clients see them on every node.
@Suite(.cluster) struct ExpiryTests {
    private func patch(
        _ client: TestClient, _ key: String, _ body: JSONValue, _ headers: [(String, String)] = []
    ) throws -> TestAnswer {
        try client.ask("PATCH", Path.key(key), json: body, headers: headers)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a value is gone on every node when its time has come, and does not count any more`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        let before = UnixMilliseconds.now()
        let acked = "acks=1&timeout=12s"
        #expect(try primary.put(Path.key("k") + "?ttl_seconds=600&\(acked)", [1]).status == 201)
        #expect(try primary.put(Path.key("stays") + "?\(acked)", [1]).status == 201)
        for client in [primary, replica] {
            let read = try client.get(Path.key("k"))
            #expect(read.body == [1])
            let at = try #require(read.header("Convoy-Expires-At"))
            let expiry = try #require(UnixMilliseconds(rfc3339: at)).rawValue
            let shortest = before.rawValue + 600_000
            #expect(expiry >= shortest && expiry < shortest + 60_000, "\(at)")
            let listed = try client.get("/v1/namespaces/default/keys")["items"]?.arrayValue ?? []
            #expect(listed.map { $0["expires_at"]?.stringValue } == [at, nil])
            #expect(try client.get(Path.key("stays")).header("Convoy-Expires-At") == nil)
        }
        #expect(try primary.put(Path.key("k") + "?ttl_seconds=2", [1]).status == 204)
        for client in [primary, replica] {
            try poll(within: .seconds(20), for: "the end of the value") {
                try client.get(Path.key("k")).status == 404 ? true : nil
            }
            try poll(within: .seconds(20), for: "its removal") {
                try client.get("/v1/namespaces/default")["keys"] == 1 ? true : nil
            }
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        for node in cluster.nodes {
            try node.stop()
            let run = try CommandRun(try ConvoyBinary.path(), ["check", node.dataPath])
            #expect(run.exitCode == 0, "\(run)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a lifetime can be changed and taken away, and a batch can give one`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let operations: JSONValue = [
            "operations": [
                ["op": "put", "key": "a", "value": "1", "ttl_seconds": 2],
                ["op": "put", "key": "b", "value": "2", "ttl_seconds": 2],
                ["op": "put", "key": "c", "value": "3", "ttl_seconds": 600],
                ["op": "put", "key": "d", "value": "4"],
            ]
        ]
        // On a busy machine its life may be over first: then again.
        let etag = try poll(within: .seconds(30), for: "a life that is taken away before its end") {
            () -> String? in
            _ = try client.post("/v1/namespaces/default/batch", operations).expecting(200)
            let etag = try client.get(Path.key("a")).header("ETag")
            let kept = try patch(client, "a", ["ttl_seconds": .null]).expecting(204, 404)
            guard kept.status == 204 else { return nil }
            #expect(kept.header("ETag") != etag)
            return etag
        }
        let stale = try patch(client, "a", ["ttl_seconds": 1], [("If-Match", etag)])
        #expect(stale.status == 412, "\(stale)")
        _ = try patch(client, "c", ["ttl_seconds": 1]).expecting(204)
        try poll(within: .seconds(20), for: "the end of b and c") {
            try ["b", "c"].allSatisfy { try client.get(Path.key($0)).status == 404 } ? true : nil
        }
        #expect(try client.get(Path.key("a")).body == Array("1".utf8))
        #expect(try client.get(Path.key("d")).body == Array("4".utf8))
        #expect(try patch(client, "b", ["ttl_seconds": 5]).status == 404, "it is gone")

        for text in ["0", "-1", "1.5", "x", "", "3153600001"] {
            let refused = try client.put(Path.key("e") + "?ttl_seconds=\(text)", [1])
            #expect(refused.status == 400, "\(text): \(refused)")
        }
        for value in [0, -1, "1", true] as [JSONValue] {
            let refused = try patch(client, "a", ["ttl_seconds": value])
            #expect(refused.status == 422, "\(value): \(refused)")
        }
        #expect(try client.get(Path.key("e")).status == 404)
    }

    /// The lives go on by the new primary's entries; nothing comes back, nothing stays for ever.
    @Test(.timeLimit(.minutes(3)))
    func `what expires while the primary is gone stays gone after a failover`() throws {
        let cluster = try TestCluster(nodes: 2)
        for number in 0..<50 {
            let path = Path.key("k\(number)") + "?ttl_seconds=\(number < 25 ? 2 : 600)"
            _ = try cluster.primary.client.put(path, [1]).expecting(201)
        }
        try cluster.primary.client.waitUntilInSync()
        cluster.primary.kill()
        let replica = cluster[1].client
        try poll(within: .seconds(20), for: "the end of the short lives") {
            let listed = try replica.get("/v1/namespaces/default/keys")["items"]?.arrayValue
            return listed?.count == 25 ? true : nil
        }
        try replica.becomePrimary("n2", acceptDataLoss: true)
        try poll(within: .seconds(20), for: "their removal") {
            try replica.get("/v1/namespaces/default")["keys"] == 25 ? true : nil
        }
        try cluster[0].start(until: .alive)
        try replica.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try cluster[0].client.get("/v1/namespaces/default")["keys"] == 25)
    }

    /// With `CONVOY_FULL=1` a million, as the issue of a tenant whose sessions all end at midnight.
    @Test(.timeLimit(.minutes(15)))
    func `many values that expire in the same second do not hold up other writers`() throws {
        let count = isFullRun ? 1_000_000 : 20_000
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let deadline = MonotonicTime.now() + .seconds(isFullRun ? 120 : 8)
        for first in stride(from: 0, to: count, by: 5_000) {
            let left = max(1, Int((deadline - .now()).inSeconds))
            let puts = (first..<min(count, first + 5_000)).map { number -> JSONValue in
                [
                    "op": "put", "key": .string("s\(number)"), "value": "x",
                    "ttl_seconds": JSONValue(left),
                ]
            }
            _ = try client.post("/v1/namespaces/default/batch", ["operations": .array(puts)])
                .expecting(200)
        }
        var took: [Duration] = []
        var left: JSONValue = .null
        while took.count < 1_000_000 {
            let write = try LatencyProbe.time { try client.put(Path.key("other"), [1]) }
            #expect(write.result.status < 300)
            took.append(write.took)
            guard took.count % 100 == 0 else { continue }
            left = try client.get("/v1/namespaces/default")["keys"] ?? .null
            if left == 1 { break }
        }
        took.sort()
        let p99 = took[took.count * 99 / 100]
        print(
            "\(count) expired values: \(took.count) writes meanwhile, p99 \(p99), most \(took.last ?? .zero)"
        )
        // Beside other tests on the same cores, or alone.
        #expect(p99 < .milliseconds(isFullRun ? 20 : 500))
        try client.waitUntilInSync()
        #expect(try cluster[1].client.get("/v1/namespaces/default")["keys"] == 1)
    }

    /// Each line with this time, in one import.
    private func load(
        _ count: Int, into namespace: String, until expiry: UnixMilliseconds, at client: TestClient
    ) throws {
        let at = expiry.rfc3339
        let lines = (0..<count).map {
            "{\"key\":\"k\($0)\",\"value\":\"x\",\"expires_at\":\"\(at)\"}\n"
        }
        let answer = try client.ask(
            "POST", "/v1/namespaces/\(namespace)/import", body: Array(lines.joined().utf8))
        #expect(answer.status == 200 && answer["created"]?.integerValue == Int64(count))
    }

    @Test(.timeLimit(.minutes(4)))
    func
        `a full namespace takes new keys at once when its old ones have expired, however many expire elsewhere`()
        throws
    {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let room = 400
        _ = try client.post("/v1/namespaces", ["name": "shop", "quota_keys": JSONValue(room)])
            .expecting(201)
        let expiry = UnixMilliseconds(rawValue: UnixMilliseconds.now().rawValue + 15_000)
        // The sweep goes by time: the others come first.
        try load(60_000, into: "default", until: expiry, at: client)
        let after = UnixMilliseconds(rawValue: expiry.rawValue + 5)
        try load(room, into: "shop", until: after, at: client)
        let full = try client.put(Path.key("new", in: "shop"), [1])
        if UnixMilliseconds.now() < expiry { #expect(full.status == 507) }
        // After a look for room that has found none it is a second until the next one.
        let left = Int64(expiry.rawValue + 50) - Int64(UnixMilliseconds.now().rawValue)
        rest(.milliseconds(max(1_200, left)))

        // As each client would write: also as one that may send it again.
        try Parallel.run(16) { writer in
            for number in 0..<4 {
                let key = "w\(writer)-\(number)"
                if number.isMultiple(of: 2) {
                    let put = try client.put(Path.key(key, in: "shop"), [1])
                    #expect(put.status == 201, "\(put)")
                } else {
                    let operation: JSONValue = ["op": "put", "key": .string(key), "value": "1"]
                    let batch = try client.post(
                        "/v1/namespaces/shop/batch", ["operations": [operation]],
                        headers: [("Idempotency-Key", key)])
                    #expect(batch.status == 200, "\(batch)")
                }
            }
        }
        let others = try client.get("/v1/namespaces/default")["keys"]?.integerValue ?? 0
        print("\(others) others that had expired were still there")
        // A batch may need more than is found at once.
        let puts = (0..<300).map { number -> JSONValue in
            ["op": "put", "key": .string("b\(number)"), "value": "1"]
        }
        _ = try client.post("/v1/namespaces/shop/batch", ["operations": .array(puts)])
            .expecting(200)
        let kept = JSONValue(full.status == 201 ? 365 : 364)
        for (name, keys) in [("default", 0), ("shop", kept)] as [(String, JSONValue)] {
            try poll(within: .seconds(60), for: "the end of all in \(name) that has expired") {
                try client.get(Path.namespace(name))["keys"] == keys ? true : nil
            }
        }
    }
}
