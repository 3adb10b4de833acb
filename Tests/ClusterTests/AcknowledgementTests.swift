import ClusterKit
import JSON
import Platform
import Testing

/// What a write may ask of the replicas, and what it is told when they do not do it in time.
@Suite(.cluster) struct AcknowledgementTests {
    /// Writes what too few can acknowledge, until the others have done so in time: on a busy
    /// machine they may be late. Answers that 504, and how long it took.
    private func timedOut(
        _ client: TestClient, _ write: String, _ value: UInt8, reached: Int64
    ) throws -> (answer: TestAnswer, took: Duration) {
        try poll(within: .seconds(20), for: "\(reached) acknowledgements in time") {
            let late = try LatencyProbe.time { try client.put(write, [value]).expecting(504) }
            return late.result["reached"]?.integerValue == reached
                ? (answer: late.result, took: late.took) : nil
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `what too few replicas acknowledged in time is in the log and says how many did`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, replica, frozen) = (cluster.primary, cluster[1], cluster[2])
        let client = primary.client
        #expect(try client.put(Path.key("k") + "?acks=2&timeout=12s", [1]).status == 201)
        #expect(try replica.client.get(Path.key("k")).body == [1], "applied before the answer")
        #expect(try frozen.client.get(Path.key("k")).body == [1])

        frozen.pause()
        let late = try poll(within: .seconds(20), for: "an answer in time") {
            let (answer, took) = try timedOut(
                client, Path.key("k") + "?acks=2&timeout=500ms", 2, reached: 1)
            #expect(took >= .milliseconds(500), "\(took)")
            return took < .seconds(2) ? answer : nil
        }
        #expect(late.problem == "acks-timeout")
        #expect(late["wanted"] == 2)
        let index = try #require(late["index"]?.integerValue.map { UInt64($0) })
        #expect(try #require(client.node().position).index >= index)
        #expect(try client.get(Path.key("k")).body == [2], "it is in the primary's log")
        #expect(try replica.client.get(Path.key("k")).body == [2])
        // More than there are replicas.
        _ = try timedOut(client, Path.key("k") + "?acks=3&timeout=200ms", 3, reached: 1)
        #expect(try client.put(Path.key("k") + "?acks=1&timeout=12s", [4]).status == 204)

        // What was answered with 504 is kept like any other write.
        primary.kill()
        try primary.start()
        #expect(try client.get(Path.key("k")).body == [4])
        frozen.resume()
        try client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica that never syncs acknowledges and is not counted as durable`() throws {
        let cluster = try TestCluster()
        try cluster.addReplica(flags: ["--sync", "os"])
        let client = cluster.primary.client
        #expect(try client.put(Path.key("a") + "?acks=1&timeout=12s", [1]).status == 201)
        let late = try client.put(Path.key("b") + "?acks_durable=1&timeout=300ms", [2])
        #expect(late.status == 504, "\(late)")
        #expect(late.problem == "acks-timeout")
        #expect(late["reached"] == 0)
        #expect(late["wanted"] == 1)
        let index = try #require(late["index"]?.integerValue.map { UInt64($0) })
        try cluster[1].client.waitUntilApplied(index)
        #expect(try cluster[1].client.get(Path.key("b")).body == [2])

        // One that syncs each second, and one that does so before it acknowledges.
        try cluster.addReplica()
        #expect(try client.put(Path.key("c") + "?acks_durable=1&timeout=12s", [3]).status == 201)
        try cluster.addReplica(flags: ["--sync", "always"])
        let both = try client.put(Path.key("d") + "?acks_durable=2&timeout=12s", [4])
        #expect(both.status == 201, "\(both)")
        _ = try timedOut(client, Path.key("e") + "?acks_durable=3&timeout=1500ms", 5, reached: 2)
        #expect(try client.put(Path.key("f") + "?acks=3&timeout=12s", [6]).status == 201)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `every write waits for as many replicas as the topology wants`() throws {
        let cluster = try TestCluster(nodes: 3)
        let client = cluster.primary.client
        try client.changeTopology { $0["min_in_sync_replicas"] = 2 }
        try client.waitUntilInSync()
        #expect(try client.put(Path.key("k") + "?timeout=12s", [1]).status == 201)
        #expect(try cluster.nodes.map { try $0.client.get(Path.key("k")).body } == [[1], [1], [1]])

        cluster[2].pause()
        let late = try timedOut(client, Path.key("k") + "?timeout=500ms", 2, reached: 1).answer
        #expect(late["wanted"] == 2)
        let fewer = try client.put(Path.key("k") + "?acks=1&timeout=300ms", [3])
        #expect(fewer.status == 504, "a write may ask for more, not for less: \(fewer)")
        #expect(fewer["wanted"] == 2)
        // The default is not for ever; the same holds for what is not a key.
        let created = try LatencyProbe.time { try client.post("/v1/namespaces", ["name": "ns"]) }
        #expect(created.result.status == 504, "\(created.result)")
        #expect(created.took < .seconds(14))
        #expect(try client.namespaceNames() == ["default", "ns"], "it is in the log")

        // The topology itself is exempt, or nobody could ever change this.
        try poll(within: .seconds(20), for: "a change that waits for nobody") {
            try client.changeTopology { $0["min_in_sync_replicas"] = 2 }
            let changed = try LatencyProbe.time {
                try client.changeTopology { $0["min_in_sync_replicas"] = 1 }
            }
            return changed.took < .seconds(1) ? true : nil
        }
        #expect(try client.put(Path.key("k") + "?timeout=12s", [4]).status == 204)
        cluster[2].resume()
        try client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
