import ClusterKit
import JSON
import Platform
import Testing

/// A tenant for everybody: `CONVOY_FULL=1` takes a hundred thousand.
@Suite(.cluster) struct ManyNamespacesTests {
    @Test(.timeLimit(.minutes(10)))
    func `many namespaces are made, restarted with, and brought to a replica by a full sync`()
        throws
    {
        let count = isFullRun ? 100_000 : 5_000
        let batch = min(count, 10_000)
        let cluster = try TestCluster()
        let primary = cluster.primary.client
        var token = ""
        for first in stride(from: 0, to: count, by: batch) {
            let items = (first..<first + batch).map { "{\"name\":\"tenant-\($0)\"}" }
            let made = try primary.ask(
                "POST", "/v1/namespaces/batch",
                body: Array("{\"create\":[\(items.joined(separator: ","))]}".utf8),
                headers: [("Content-Type", "application/json")], waiting: .seconds(60)
            ).expecting(201)
            token = try #require(made["items"]?.arrayValue?.last?["token"]?.stringValue)
        }
        let last = "tenant-\(count - 1)"
        _ = try primary.put(Path.key("k", in: last), [7]).expecting(201)
        var rename: JSONValue = ["name": "renamed"]
        _ = try primary.ask("PATCH", "/v1/namespaces/tenant-0", json: rename).expecting(200)
        _ = try primary.delete("/v1/namespaces/tenant-1").expecting(200)

        // As they are at the first answer of a replica that is ready.
        let node = try cluster.start(try cluster.makeNode())
        _ = try cluster.beginTakingIn(node)
        let replica = node.client
        try poll(within: .seconds(60), every: .milliseconds(2), for: "the replica's first answer") {
            () -> Bool? in
            // In this order: it was ready before, as the primary of its own empty cluster.
            guard try replica.node().role == "replica" else { return nil }
            return try replica.get("/readyz").status == 200 ? true : nil
        }
        let found = try replica.node().json["catalog"]?["namespaces"]?.integerValue
        #expect(found == Int64(count), "\(count) and default, one less")
        #expect(try replica.get("/v1/namespaces/tenant-1").status == 404)
        #expect(try replica.get("/v1/namespaces/renamed").status == 200)
        let own = replica.with(token: token)
        #expect(try own.get(Path.key("k", in: last)).body == [7])
        try primary.waitUntilInSync(within: 60)
        // The end of the operation that took it in may come between the two questions.
        try poll(within: .seconds(10), for: "equal digests") { () -> Bool? in
            let digests = try cluster.nodes.map { try $0.client.node().catalogDigest }
            return digests[0] != nil && digests[0] == digests[1] ? true : nil
        }

        for node in cluster.nodes {
            try node.stop()
            try node.start()
        }
        try primary.waitUntilInSync(within: 60)
        let lists = try cluster.nodes.map { try $0.client.namespaceNames() }
        #expect(lists[0].count == count)
        #expect(lists[0] == lists[1])
        #expect(lists[0] == lists[0].sorted())

        // Changes of one among so many, at both.
        rename = ["name": "again", "quota_keys": 3]
        _ = try primary.ask("PATCH", "/v1/namespaces/renamed", json: rename).expecting(200)
        try replica.waitUntilApplied(try primary.barrier())
        #expect(try replica.get("/v1/namespaces/again")["quota_keys"] == 3)
        #expect(try own.get(Path.key("k", in: last)).body == [7])
    }
}
