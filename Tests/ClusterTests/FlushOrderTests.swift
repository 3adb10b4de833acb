// Symptom (pikiwidb#2526): after `set a b`, `set a c`, flush on the primary the replica keeps a = c.

import ClusterKit
import JSON
import Platform
import Testing

/// Test E of INCIDENTS.md, the first step in small.
@Suite(.cluster) struct FlushOrderTests {
    @Test(.timeLimit(.minutes(5)))
    func `what stood before a flush is gone everywhere and what came after it stands`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        _ = try primary.createNamespace("flushed")
        _ = try primary.createNamespace("busy")
        let random = SeededRandom.announced(for: "writers beside a flush")
        let writers = ParallelWriters(
            4, to: primary, namespace: "busy", random: random, label: "w")
        let key = Path.key("key1", in: "flushed")
        for round in 0..<(isFullRun ? 1000 : 100) {
            _ = try primary.put(key, Array("a1".utf8)).expecting(201, 204)
            _ = try primary.put(key, Array("a2".utf8)).expecting(204)
            _ = try primary.post("/v1/namespaces/flushed/flush").expecting(200)
            let last = try primary.put(key, Array("a3 \(round)".utf8)).expecting(201)
            try replica.waitUntilApplied(try #require(last.index))
            #expect(try replica.listKeys(in: "flushed").map(\.name) == ["key1"])
            #expect(try replica.get(key).text == "a3 \(round)")
            #expect(try replica.get("/v1/namespaces/flushed")["keys"] == 1)
        }
        let journal = try writers.finish()
        #expect(journal.acknowledged > 100)
        #expect(try journal.faults(at: replica, namespace: "busy") == [])
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `writers and flushes of one namespace leave the same keys everywhere`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let random = SeededRandom.announced(for: "writers under flushes")
        let writers = ParallelWriters(8, to: client, random: random, label: "w")
        for _ in 0..<(isFullRun ? 1200 : 60) {
            _ = try client.post("/v1/namespaces/default/flush").expecting(200)
            rest(.milliseconds(50))
        }
        _ = try writers.finish()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try cluster[1].client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(2)))
    func `a flush of many keys is as fast as one of a few, here and there`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        _ = try primary.createNamespace("large")
        _ = try primary.put(Path.key("stays"), [1]).expecting(201)
        let count = isFullRun ? 10_000_000 : 200_000
        for start in stride(from: 0, to: count, by: 20_000) {
            let records = (start..<start + 20_000).map { (key: "key-\($0)", value: [UInt8(1)]) }
            try primary.load(records, into: "large", batch: 20_000)
        }
        try primary.waitUntilInSync(within: 60)
        #expect(try replica.get("/v1/namespaces/large")["keys"]?.integerValue == Int64(count))

        let start = MonotonicTime.now()
        let flushed = try primary.post("/v1/namespaces/large/flush").expecting(200)
        let here = MonotonicTime.now() - start
        #expect(try primary.get("/v1/namespaces/large")["keys"] == 0)
        let index = try #require(PositionView(flushed["position"])?.index)
        try replica.waitUntilApplied(index)
        let there = MonotonicTime.now() - start
        #expect(try replica.get("/v1/namespaces/large")["keys"] == 0)
        print("flush of \(count) keys: answered in \(here), on the replica after \(there)")
        #expect(here < .milliseconds(50))
        #expect(there < .milliseconds(150), "with the wait's own way there and back")
        for client in [primary, replica] {
            #expect(try client.listKeys(in: "large").isEmpty)
            #expect(try client.get("/v1/namespaces/large")["bytes"] == 0)
            #expect(try client.get(Path.key("stays")).body == [1])
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(1)))
    func `values moved between keys keep their sum at every position`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let total = 1000
        try client.load(
            [("left", Array("\(total)".utf8)), ("right", Array("0".utf8))], into: "default")
        @Sendable func read(
            _ client: TestClient, _ key: String
        ) throws -> (value: Int, etag: String) {
            let answer = try client.get(Path.key(key)).expecting(200)
            return (Int(answer.text) ?? -1, answer.etag ?? "")
        }
        try Parallel.run(4) { _ in
            var moved = 0
            while moved < 25 {
                let (left, right) = (try read(client, "left"), try read(client, "right"))
                let answer = try client.post(
                    "/v1/namespaces/default/batch",
                    [
                        "operations": [
                            ["op": "check", "key": "left", "etag": .string(left.etag)],
                            ["op": "check", "key": "right", "etag": .string(right.etag)],
                            ["op": "put", "key": "left", "value": .string("\(left.value - 1)")],
                            ["op": "put", "key": "right", "value": .string("\(right.value + 1)")],
                        ]
                    ]
                ).expecting(200, 412)
                if answer.status == 200 { moved += 1 }
            }
        }
        try KeyComparison.waitForOnePosition(cluster.nodes)
        for node in cluster.nodes {
            #expect(try read(node.client, "left").value == total - 100)
            #expect(try read(node.client, "right").value == 100)
        }
    }
}
