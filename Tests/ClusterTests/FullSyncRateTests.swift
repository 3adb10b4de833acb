import ClusterKit
import JSON
import Platform
import Testing

/// The limit of a full sync, changed while one runs.
@Suite(.cluster) struct FullSyncRateTests {
    static let valueBytes = 64 << 10

    /// A primary with so many values of 64 KiB, and a replica that is being taken in at `rate`.
    private func begin(values: Int, rate: Int) throws -> TestCluster {
        let cluster = try TestCluster()
        try write(0..<values, to: cluster.primary)
        let replica = try cluster.start(
            cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "\(rate)"]))
        _ = try cluster.beginTakingIn(replica)
        return cluster
    }

    private func write(_ numbers: Range<Int>, to node: ConvoyProcess) throws {
        for number in numbers {
            let value = SeededRandom.block(number, FullSyncRateTests.valueBytes)
            _ = try node.client.put(Path.key("k\(number)"), value).expecting(201)
        }
    }

    private func waitForTransfer(_ replica: TestClient, stage: String = "fetch") throws -> NodeView
    {
        try poll(within: .seconds(60), every: .milliseconds(5), for: "the transfer is at \(stage)")
        {
            let view = try replica.node()
            return view.fullSyncStage == stage && view.fullSyncBytesDone ?? 0 > 0 ? view : nil
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a slow full sync ends soon once its limit is raised, and the limit is kept`() throws {
        let cluster = try begin(values: 128, rate: 40_000)
        let (primary, replica) = (cluster[0].client, cluster[1])
        let running = try waitForTransfer(replica.client)
        #expect(running.fullSyncLimit == 40_000)
        let left = try #require(running.fullSyncBytesTotal) - (running.fullSyncBytesDone ?? 0)
        #expect(left > 4_000_000, "it would take a hundred seconds more")

        let changed = MonotonicTime.now()
        let answer = try replica.client.limitFullSync(200_000_000, of: "n2").expecting(200)
        #expect(NodeView(answer.json).fullSyncMaxBytesPerSecond == 200_000_000)
        try primary.waitUntilInSync(within: 40)
        print("\(left) bytes were left, in sync \(MonotonicTime.now() - changed) after the change")
        #expect(try replica.client.node().fullSyncs == 1)

        try replica.stop()
        try replica.start()
        #expect(try replica.client.node().fullSyncMaxBytesPerSecond == 200_000_000)
        _ = try replica.client.limitFullSync(nil).expecting(200)
        #expect(try replica.client.node().fullSyncMaxBytesPerSecond == 40_000, "as it was started")
        try poll(within: .seconds(20), for: "others see it, too") {
            try primary.node("n2").fullSyncMaxBytesPerSecond == 40_000 ? true : nil
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(5)))
    func `a full sync slows down at once when its limit is lowered, and does not stall`() throws {
        let cluster = try begin(values: 384, rate: 1_000_000)
        let replica = cluster[1].client
        _ = try waitForTransfer(replica)
        _ = try replica.limitFullSync(300_000).expecting(200)
        rest(.milliseconds(500))
        // Measured again if need be: on a busy machine a look may be late, or a thread stand still.
        let (slow, speed) = try poll(within: .seconds(25), for: "300000 bytes/s") {
            () -> (NodeView, Double)? in
            let (first, at) = (try replica.node().fullSyncBytesDone, MonotonicTime.now())
            rest(.seconds(3))
            let slow = try replica.node()
            let took = MonotonicTime.now() - at
            let bytes = try #require(slow.fullSyncBytesDone) - #require(first)
            let speed = Double(bytes) / took.inSeconds
            print("lowered to 300000 bytes/s: \(Int(speed)) measured")
            return speed > 100_000 && speed < 400_000 ? (slow, speed) : nil
        }
        #expect(speed < 400_000)
        #expect(slow.fullSyncLimit == 300_000)

        // Slower than one read in ten seconds, which is the deadline of a stall.
        _ = try replica.limitFullSync(100).expecting(200)
        let still = MonotonicTime.now()
        while MonotonicTime.now() - still < .seconds(13) {
            let view = try replica.node()
            #expect(view.state == "full_sync")
            #expect(view.lastError == slow.lastError)
            rest(.milliseconds(200))
        }
        _ = try replica.limitFullSync(1 << 40).expecting(200)
        try cluster[0].client.waitUntilInSync(within: 60)
        #expect(try replica.node().resumedBytes == nil)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(5)))
    func `the log that a full sync catches up with flows no faster than its limit`() throws {
        // A megabyte takes a minute: by then all of the log is there that is to be caught up.
        let cluster = try begin(values: 16, rate: 20_000)
        let replica = cluster[1].client
        _ = try waitForTransfer(replica)
        try write(16..<128, to: cluster[0])
        // 7 MiB of log: 73 s at that rate.
        _ = try replica.limitFullSync(100_000).expecting(200)
        let first = try waitForTransfer(replica, stage: "catch_up")
        let began = MonotonicTime.now()
        while MonotonicTime.now() - began < .seconds(12) {
            let view = try replica.node()
            #expect(view.fullSyncStage == "catch_up")
            #expect(view.lastError == first.lastError)
            rest(.milliseconds(200))
        }
        let speed = try replica.node().json["full_sync"]?["bytes_per_second"]?.numberValue
        print("catching up at \(speed.map { Int($0) } ?? -1) bytes/s")
        #expect(speed ?? 0 > 0 && speed ?? 0 < 200_000)

        _ = try replica.limitFullSync(200_000_000).expecting(200)
        try cluster[0].client.waitUntilInSync(within: 40)
        #expect(try KeyComparison(cluster.nodes).differences == [])

        // What follows is no full sync any more, and not limited.
        _ = try replica.limitFullSync(1_000).expecting(200)
        try write(128..<160, to: cluster[0])
        try replica.waitUntilApplied(try cluster[0].client.barrier())
    }

    @Test func `a limit that is none, or another node's, is refused and says what to do`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster[0].client, cluster[1])
        for wrong in [0, -1, 1 << 53] {
            let answer = try primary.limitFullSync(wrong).expecting(422)
            #expect(
                answer["errors"]?.arrayValue?.first?["pointer"]
                    == "/full_sync_max_bytes_per_second")
        }
        _ = try primary.ask(
            "PATCH", "/v1/nodes/self", json: ["full_sync_max_bytes_per_second": "fast"]
        ).expecting(422)
        _ = try primary.ask(
            "PATCH", "/v1/nodes/self",
            json: ["full_sync_max_bytes_per_second": 1_000, "upstream": "n1"]
        ).expecting(422)
        let other = try primary.limitFullSync(1_000, of: "n2").expecting(409)
        #expect(other["code"] == "not-this-node")
        #expect(other["detail"]?.stringValue?.contains("\(replica.address)/v1/nodes/self") == true)
        _ = try primary.limitFullSync(1_000, of: "n9").expecting(404)
        #expect(try replica.client.node().fullSyncMaxBytesPerSecond == nil)
        #expect(try primary.node().fullSyncMaxBytesPerSecond == nil)
    }
}
