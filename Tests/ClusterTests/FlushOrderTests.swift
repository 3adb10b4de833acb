// Symptom (pikiwidb#2526): after `set a b`, `set a c`, flush on the primary the replica keeps a = c.

import ClusterKit
import JSON
import Platform
import Testing

/// Test E: a flush has its place among the writes, on every node.
@Suite(.cluster) struct FlushOrderTests {
    /// Test E, steps 1 and 3: while `flushed` is flushed, `busy` is written and stays complete.
    @Test(.timeLimit(.minutes(5)))
    func `what stood before a flush is gone everywhere and what came after it stands`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        _ = try primary.createNamespace("flushed")
        _ = try primary.createNamespace("busy")
        let random = SeededRandom.announced(for: "writers beside a flush")
        let writers = ParallelWriters(
            isFullRun ? 16 : 4, to: primary, namespace: "busy", random: random, label: "w")
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
        try writers.waitForAcknowledgements(isFullRun ? 10_000 : 101, within: .seconds(60))
        let journal = try writers.finish()
        #expect(journal.acknowledged > 100)
        try replica.waitUntilApplied(try primary.barrier())
        for client in [primary, replica] {
            #expect(try journal.faults(at: client, namespace: "busy") == [])
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Test E, step 2.
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

    /// Test E, step 5: `kill -9` R at random moments of step 2.
    @Test(.timeLimit(.minutes(3)))
    func `a replica that is killed between flushes goes on from where it was`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1])
        var random = SeededRandom.announced(for: "kills under flushes")
        let writers = ParallelWriters(
            8, to: primary, random: random.forked(1), pause: .milliseconds(2), label: "w")
        let isOver = Monitor(false)
        let flushes = WorkerThread(name: "flushes") {
            while !isOver.withLock({ $0 }) {
                // One that fails shows at the end: the writers' node is gone, too.
                _ = try? primary.post("/v1/namespaces/default/flush")
                rest(.milliseconds(50))
            }
        }
        for _ in 0..<(isFullRun ? 30 : 4) {
            rest(.milliseconds(Int64(100 + random.next() % 400)))
            replica.kill()
            rest(.milliseconds(Int64(random.next() % 200)))
            try replica.start()
        }
        isOver.update { $0 = true }
        #expect(flushes.join(until: .now() + .seconds(30)))
        _ = try writers.finish()
        let last = try primary.put(Path.key("last"), [1]).expecting(201)
        try replica.client.waitUntilApplied(try #require(last.index))
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1, "the log is retained")
    }
}
