// Symptom (kvrocks#2520): a full sync replaces the database, and what is kept in memory of the old one
// goes on being shown.

import ClusterKit
import JSON
import Testing

/// Test A, step 5: what a full sync replaces is gone as a whole, and what interrupts it changes nothing.
@Suite(.cluster) struct ReplacedStateTests {
    /// So slow that it goes on for seconds: on a busy machine whoever looks may come late.
    private static let slow = ["--full-sync-max-bytes-per-second", "50000"]

    /// Test A, step 5: R had a namespace of its own before it was adopted; with step 4.
    @Test(.timeLimit(.minutes(4)))
    func `a node shows its own namespace whole, then nothing, then the cluster's whole`() throws {
        let cluster = try TestCluster()
        let tenants = try Tenants(17, keys: 300, at: cluster.primary)
        let other = try cluster.start(cluster.makeNode(flags: Self.slow))
        let ownToken = try other.client.createNamespace("own")
        _ = try other.client.put(Path.key("k", in: "own"), [7]).expecting(201)
        let old = OldState(names: ["default", "own"], namespace: "own", key: ("k", [7]))

        let watch = CatalogWatch(other, tenants, old: old)
        let operation = try cluster.beginTakingIn(other, options: ["discard_data": true])
        try cluster.primary.client.waitUntilDone(operation)
        try cluster.primary.client.waitUntilInSync()
        let findings = try watch.finish()
        #expect(findings.faults == [])
        #expect(findings.notReady > 0, "what it gave up serves nobody")
        #expect(findings.whole > 0)

        #expect(try other.client.get("/v1/namespaces/own").status == 404)
        #expect(try other.client.get(Path.key("k", in: "own")).status == 404)
        #expect(try other.client.with(token: ownToken).get("/v1/namespaces").status == 401)
        #expect(try other.client.node().fullSyncs == 1)
        try tenants.check(at: other, like: cluster.primary)
        try other.stop()
        try other.start()
        try tenants.check(at: other, like: cluster.primary)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Test A, step 5: `kill -9` R at random moments of the transfer.
    @Test(.timeLimit(.minutes(6)))
    func `a replica that is killed again and again during its transfer has every namespace`() throws
    {
        let cluster = try TestCluster(flags: NamespacesAfterFullSyncTests.smallLog)
        let tenants = try Tenants(17, keys: 1000, at: cluster.primary)
        var random = SeededRandom.announced(for: "kills during a transfer of namespaces")
        let kills = isFullRun ? 10 : 3
        let replica = try cluster.start(cluster.makeNode(flags: Self.slow))
        _ = try cluster.beginTakingIn(replica)
        var duringTransfer = 0
        for _ in 0..<kills {
            rest(.milliseconds(Int64(random.next() % 300)))
            let view = try replica.client.node()
            if view.state == "full_sync" && view.fullSyncs == 0 { duringTransfer += 1 }
            replica.kill()
            try replica.start(until: .alive)
            try poll(within: .seconds(30), every: .milliseconds(5), for: "it goes on") {
                try replica.client.node().fullSyncBytesDone ?? 0 > 0 ? true : nil
            }
        }
        #expect(duringTransfer >= kills - 1, "the first may have come before the transfer")
        replica.kill()
        replica.setFlags([])
        try replica.start(until: .alive)
        try cluster.primary.client.waitUntilInSync()

        let view = try replica.client.node()
        #expect(view.fullSyncs == 1)
        #expect(view.lastFullSyncReason == "empty")
        try tenants.check(at: replica, like: cluster.primary)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
