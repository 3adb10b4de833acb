// Symptom (kvrocks#2520): after a full sync the replica lists only the default namespace, until a
// restart or an edit of any namespace heals it.

import ClusterKit
import HTTPClient
import JSON
import Platform
import Testing

/// Test A: seventeen tenants, and what a replica shows of them.
@Suite(.cluster) struct NamespacesAfterFullSyncTests {
    static let smallLog = [
        "--log-segment-bytes", "65536", "--log-retention-bytes", "0", "--log-retention-max-bytes",
        "0",
    ]

    /// Test A, steps 1 to 4, in small.
    @Test(.timeLimit(.minutes(3)))
    func `a full sync brings seventeen namespaces with their data at once`() throws {
        let cluster = try TestCluster(flags: Self.smallLog)
        let tenants = try Tenants(17, keys: 1000, at: cluster.primary)
        try fullSyncBringsEverything(cluster, tenants, throttle: 1_500_000)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Test A, steps 1 to 4.
    @Test(.enabled(if: isFullRun, "set CONVOY_FULL=1"), .timeLimit(.minutes(10)))
    func `a full sync brings half a million keys with their namespaces at once`() throws {
        let cluster = try TestCluster(flags: Self.smallLog)
        let tenants = try Tenants(17, keys: 29_412, at: cluster.primary)
        try fullSyncBringsEverything(cluster, tenants, throttle: 20_000_000)
    }

    /// Test A, step 2, the variant `position-not-retained`, and steps 3 and 4 of it.
    @Test(.timeLimit(.minutes(4)))
    func `a replica whose position is not retained gets everything again at once`() throws {
        let cluster = try TestCluster(nodes: 2, flags: Self.smallLog)
        let (primary, replica) = (cluster.primary, cluster[1])
        let old = OldState(key: ("old", [9]))
        _ = try primary.client.put(Path.key("old"), [9]).expecting(201)
        let stoodAt = try KeyComparison.waitForOnePosition(cluster.nodes).index
        try replica.stop()
        _ = try primary.client.delete(Path.key("old")).expecting(204)
        let tenants = try Tenants(17, keys: 200, at: primary)
        try putLarge(primary)
        // A new checkpoint writes the state down, so that the log may be trimmed. For ten seconds a
        // third node would be given the one that was made for the second.
        rest(.seconds(10))
        let third = try cluster.start(cluster.makeNode())
        try primary.client.waitUntilDone(try cluster.beginTakingIn(third))
        for number in 0..<400 {
            _ = try primary.client.put(Path.key("\(number)"), [UInt8](repeating: 1, count: 1000))
        }
        try poll(within: .seconds(60), for: "the log is trimmed past \(stoodAt)") {
            let first = try primary.client.get("/v1/sync")["log"]?["first_index"]?.integerValue ?? 0
            return first > Int64(stoodAt) + 1 ? true : nil
        }
        replica.setFlags(Self.smallLog + ["--full-sync-max-bytes-per-second", "20000"])
        try replica.start(until: .alive)
        let watch = CatalogWatch(replica, tenants, old: old)
        try waitForTransfer(replica)
        #expect(try replica.client.get(Path.key("old")).body == [9], "it serves what it had")
        #expect(try replica.client.namespaceNames() == ["default"])
        _ = try replica.client.limitFullSync(500_000).expecting(200)
        try primary.client.waitUntilInSync()
        let findings = try watch.finish()
        #expect(findings.faults == [])
        #expect(findings.whole > 0, "and then everything")
        let view = try replica.client.node()
        #expect(view.fullSyncs == 2)
        #expect(view.lastFullSyncReason == "position-not-retained")
        try tenants.check(at: replica, like: primary)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Test A, step 5: a thousand empty namespaces; a namespace that is deleted after the sync.
    @Test(.timeLimit(.minutes(3)))
    func `a thousand empty namespaces arrive, and a deleted one goes`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        _ = try client.post(
            "/v1/namespaces/batch",
            ["create": .array((0..<1000).map { ["name": .string("t\($0)")] })]
        ).expecting(201)
        let replica = try cluster.addReplica()
        #expect(try replica.client.list("/v1/namespaces") == client.list("/v1/namespaces"))
        _ = try client.delete("/v1/namespaces/t500").expecting(200)
        try poll(within: .seconds(20), for: "t500 is gone on the replica") {
            try replica.client.get("/v1/namespaces/t500").status == 404 ? true : nil
        }
        #expect(try replica.client.list("/v1/namespaces").count == 1000)
    }

    /// Test A, step 5: a token revoked during the transfer.
    @Test(.timeLimit(.minutes(3)))
    func `a token that is revoked during the transfer is never valid afterwards`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let doomed = try client.createNamespace("doomed")
        try client.load(
            (0..<500).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        // Two megabytes, in more than half a minute: it runs until it is let go faster.
        let replica = try cluster.start(
            cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "50000"]))
        let operation = try cluster.beginTakingIn(replica)
        try waitForTransfer(replica)
        _ = try client.delete("/v1/namespaces/doomed").expecting(200)
        #expect(try replica.client.node().fullSyncs == 0, "the transfer still ran")
        let opened = Monitor(0)
        let isOver = Monitor(false)
        let watcher = WorkerThread(name: "watcher") {
            while !isOver.withLock({ $0 }) {
                // A node without an answer has not opened anything.
                let answer = try? replica.client.with(token: doomed).get("/v1/namespaces")
                if answer?.status == 200 { opened.update { $0 += 1 } }
                rest(.milliseconds(2))
            }
        }
        _ = try replica.client.limitFullSync(1 << 40).expecting(200)
        try client.waitUntilDone(operation)
        try client.waitUntilInSync()
        rest(.milliseconds(200))
        isOver.update { $0 = true }
        #expect(watcher.join(until: .now() + .seconds(60)))
        #expect(opened.withLock { $0 } == 0)
    }

    /// What cannot be compressed: at 20 kB/s a full sync then takes long enough to be looked at.
    private func putLarge(_ primary: ConvoyProcess) throws {
        let value = SeededRandom.block(1, 500_000)
        _ = try primary.client.put(Path.key("large"), value).expecting(201)
    }

    private func waitForTransfer(_ replica: ConvoyProcess) throws {
        try poll(within: .seconds(30), every: .milliseconds(5), for: "the transfer runs") {
            try replica.client.node().fullSyncBytesDone ?? 0 > 0 ? true : nil
        }
    }

    /// Steps 2 to 4: R is empty, is added, and is watched each 20 ms.
    private func fullSyncBringsEverything(
        _ cluster: TestCluster, _ tenants: Tenants, throttle: Int
    ) throws {
        try putLarge(cluster.primary)
        let replica = try cluster.start(
            cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "20000"]))
        let watch = CatalogWatch(replica, tenants)
        let operation = try cluster.beginTakingIn(replica)
        try waitForTransfer(replica)
        #expect(try replica.client.get("/v1/namespaces").problem == "not-ready")
        _ = try replica.client.limitFullSync(throttle).expecting(200)
        try cluster.primary.client.waitUntilDone(operation, within: 300)
        try cluster.primary.client.waitUntilInSync(within: 60)
        let findings = try watch.finish()
        #expect(findings.faults == [])
        #expect(findings.whole > 0, "it was seen when everything had come")

        let view = try replica.client.node()
        #expect(view.fullSyncs == 1)
        #expect(view.lastFullSyncReason == "empty")
        try tenants.check(at: replica, like: cluster.primary)
    }
}

extension SeededRandom {
    /// The same incompressible bytes for the same number.
    static func block(_ number: Int, _ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(number))
        return random.bytes(count)
    }
}
