import ClusterKit
import JSON
import Testing

/// One node, as a stranger meets it.
@Suite(.cluster) struct QuickStartTests {
    @Test(.timeLimit(.minutes(3)))
    func `a fresh node is alive, ready, primary, writable and in sync`() throws {
        let client = try TestCluster().primary.client
        for path in [
            "/livez", "/readyz", "/health/primary", "/health/writable", "/health/in-sync",
            "/health/in-sync?lag_ms=100&lag_entries=5",
        ] {
            let answer = try client.get(path)
            #expect(answer.status == 200, "\(answer)")
            #expect(answer["status"] == "ok")
        }
        let replica = try client.get("/health/replica")
        #expect(replica.status == 503)
        #expect(replica["reasons"]?.arrayValue?.isEmpty == false)

        #expect(try client.get("/version")["version"]?.stringValue != nil)
        #expect(try client.get("/openapi.json")["openapi"] == "3.1.0")
        let page = try client.get("/")
        #expect(page.status == 200)
        #expect(page.header("Content-Type")?.hasPrefix("text/html") == true)
        #expect(page.header("Content-Security-Policy")?.contains("default-src") == true)
        let metrics = try client.get("/metrics")
        #expect(metrics.header("Content-Type")?.hasPrefix("text/plain") == true)
        #expect(metrics.text.contains("# TYPE convoy_"))

        let sync = try client.get("/v1/sync").json
        #expect(sync["in_sync"] == true)
        #expect(sync["converged"] == true)
        #expect(sync["writable"] == true)
        #expect(sync["primary"] == "n1")
        let node = try client.node()
        #expect(node.role == "primary")
        #expect(node.state == "serving")
        #expect(try client.node("n1").position == client.node().position)
        #expect(try client.get("/v1/nodes/self")["name"] == "n1")
        #expect(try client.get("/v1/topology/drift").json["items"]?.arrayValue == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `namespaces are made, listed by name, and deleted with their data`() throws {
        let client = try TestCluster().primary.client
        #expect(try client.namespaceNames() == ["default"])

        let made = try client.post("/v1/namespaces", ["name": "orders"])
        #expect(made.status == 201)
        #expect(made.header("Location") == "/v1/namespaces/orders")
        #expect(made["token"]?.stringValue?.hasPrefix("cvy_") == true)
        #expect(made["keys"] == 0)
        _ = try client.createNamespace("alpha")
        #expect(try client.namespaceNames() == ["alpha", "default", "orders"])
        #expect(
            try client.list("/v1/namespaces?prefix=or").map { $0["name"] } == ["orders"])

        let again = try client.post("/v1/namespaces", ["name": "orders"])
        #expect(again.status == 409)
        #expect(again.problem == "already-exists")

        #expect(try client.put(Path.key("k", in: "orders"), Array("four".utf8)).status == 201)
        let summary = try client.get("/v1/namespaces/orders").json
        #expect(summary["keys"] == 1)
        #expect((summary["bytes"]?.integerValue ?? 0) >= 5)
        #expect(summary["state"]?.stringValue != nil)
        #expect(summary["read_only"] == false)

        let deleted = try client.delete("/v1/namespaces/orders")
        #expect(deleted.status == 200)
        #expect(PositionView(deleted["position"]) != nil)
        #expect(try client.get("/v1/namespaces/orders").status == 404)
        #expect(try client.get(Path.key("k", in: "orders")).status == 404)
        #expect(try client.namespaceNames() == ["alpha", "default"])
        #expect(try client.delete("/v1/namespaces/default").status == 409)

        let reborn = try client.post("/v1/namespaces", ["name": "orders"]).expecting(201)
        #expect(reborn["id"] != made["id"], "ids are never used again")
        #expect(reborn["keys"] == 0)
        #expect(try client.get(Path.key("k", in: "orders")).status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `many namespaces are made in one entry, or none`() throws {
        let client = try TestCluster().primary.client
        let names = (0..<500).map { "tenant-\($0)" }
        let before = try client.node().position?.index ?? 0
        let made = try client.post(
            "/v1/namespaces/batch",
            ["create": .array(names.map { ["name": .string($0)] })])
        #expect(made.status == 201)
        let items = made["items"]?.arrayValue ?? []
        #expect(items.map { $0["name"]?.stringValue } == names)
        #expect(Set(items.compactMap { $0["id"]?.integerValue }).count == 500)
        #expect(Set(items.compactMap { $0["token"]?.stringValue }).count == 500)
        #expect(try client.node().position?.index == before + 1)
        #expect(try client.list("/v1/namespaces", pageSize: 100).count == 501)

        let refused = try client.post(
            "/v1/namespaces/batch", ["create": [["name": "fresh"], ["name": "tenant-7"]]])
        #expect(refused.status == 409)
        #expect(try client.get("/v1/namespaces/fresh").status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a key is put, got, replaced, listed and deleted`() throws {
        let client = try TestCluster().primary.client
        let put = try client.put(Path.key("basket"), Array("one".utf8))
        #expect(put.status == 201)
        let first = try #require(put.etag)
        let index = try #require(put.index)

        let got = try client.get(Path.key("basket"))
        #expect(got.status == 200)
        #expect(got.text == "one")
        #expect(got.etag == first)
        #expect(try #require(got.index) >= index)
        #expect(got.header("Content-Type") == "application/octet-stream")
        #expect(got.header("X-Content-Type-Options") == "nosniff")
        #expect(got.header("Content-Security-Policy") == "sandbox; default-src 'none'")
        #expect(got.header("Content-Disposition")?.hasPrefix("attachment") == true)

        let replaced = try client.put(Path.key("basket"), Array("one".utf8))
        #expect(replaced.status == 204)
        #expect(replaced.etag != first, "each write has an ETag of its own, also of the same value")
        #expect(try #require(replaced.index) > index)

        _ = try client.put(Path.key("apple"), [])
        let listed = try client.listKeys(in: "default")
        #expect(listed.map(\.name) == ["apple", "basket"])
        #expect(listed.map(\.bytes) == [0, 3])
        #expect(listed[1].etag == replaced.etag)

        #expect(try client.delete(Path.key("basket")).status == 204)
        #expect(try client.get(Path.key("basket")).problem == "not-found")
        #expect(try client.delete(Path.key("basket")).status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a batch is done as a whole or not at all`() throws {
        let client = try TestCluster().primary.client
        let before = try client.node().position?.index ?? 0
        let done = try client.post(
            "/v1/namespaces/default/batch",
            [
                "operations": [
                    ["op": "check", "key": "a", "exists": false],
                    ["op": "put", "key": "a", "value": "1"],
                    ["op": "put", "key": "b", "value_base64": "AAEC/w=="],
                    ["op": "put", "key": "..", "value": "dots go through batch"],
                    ["op": "delete", "key": "never-there"],
                ]
            ])
        #expect(done.status == 200)
        #expect(done["results"]?.arrayValue?.count == 5)
        #expect(PositionView(done["position"])?.index == before + 1)
        #expect(done.index == before + 1)
        #expect(try client.get(Path.key("b")).body == [0, 1, 2, 255])
        #expect(try client.get(Path.key("..")).text == "dots go through batch")

        let etag = try #require(client.get(Path.key("a")).etag)
        for failing: JSONValue in [
            ["op": "check", "key": "a", "etag": "\"0-0\""],
            ["op": "check", "key": "a", "exists": false],
        ] {
            let refused = try client.post(
                "/v1/namespaces/default/batch",
                ["operations": [["op": "put", "key": "a", "value": "2"], failing]])
            #expect(refused.status == 412)
        }
        #expect(try client.get(Path.key("a")).text == "1")
        let kept = try client.post(
            "/v1/namespaces/default/batch",
            [
                "operations": [
                    ["op": "check", "key": "a", "etag": .string(etag)],
                    ["op": "delete", "key": "a"],
                ]
            ])
        #expect(kept.status == 200)
        #expect(try client.get(Path.key("a")).status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a flush empties one namespace and no other`() throws {
        let client = try TestCluster().primary.client
        _ = try client.createNamespace("other")
        let records = (0..<250).map { (key: "k\($0)", value: Array("v\($0)".utf8)) }
        try client.load(records, into: "default")
        try client.load(records, into: "other")
        #expect(try client.listKeys(in: "default").count == 250)
        #expect(try client.list("/v1/namespaces/default/keys", pageSize: 7).count == 250)
        #expect(try client.list("/v1/namespaces/default/keys?prefix=k24").count == 11)

        let flushed = try client.post("/v1/namespaces/default/flush")
        #expect(flushed.status == 200)
        #expect(PositionView(flushed["position"]) != nil)
        #expect(try client.get("/v1/namespaces/default")["keys"] == 0)
        #expect(try client.get("/v1/namespaces/default")["bytes"] == 0)
        #expect(try client.listKeys(in: "default").isEmpty)
        #expect(try client.get(Path.key("k1")).status == 404)
        #expect(try client.listKeys(in: "other").count == 250)
        #expect(try client.put(Path.key("k1"), Array("new".utf8)).status == 201)
    }
}
