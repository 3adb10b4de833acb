import ClusterKit
import JSON
import Platform
import Testing

/// n1 feeds n2, and n2 feeds n3.
@Suite(.cluster) struct CascadeTests {
    @Test(.timeLimit(.minutes(3)))
    func `a replica of a replica counts for acknowledgements and says how far it is`() throws {
        let cluster = try chain()
        let (primary, middle, leaf) = (cluster[0].client, cluster[1], cluster[2])
        let both = try primary.put(Path.key("k") + "?acks=2&timeout=12s", [1])
        #expect(both.status == 201, "\(both)")
        #expect(try leaf.client.get(Path.key("k")).body == [1], "applied before the answer")
        let synced = try primary.put(Path.key("k") + "?acks_durable=2&timeout=12s", [2])
        #expect(synced.status == 204, "\(synced)")
        try poll(within: .seconds(15), for: "n3 is known to lack nothing") {
            try primary.node("n3").lagEntries == 0 ? true : nil
        }

        leaf.pause()
        // On a busy machine n2 may be late, and so may the answer.
        let one = try poll(within: .seconds(20), for: "n2's acknowledgement alone, in time") {
            let one = try LatencyProbe.time {
                try primary.put(Path.key("k") + "?acks=2&timeout=500ms", [3]).expecting(504)
            }
            return one.result["reached"] == 1 && one.took < .seconds(2) ? one.result : nil
        }
        #expect(one.problem == "acks-timeout")
        #expect(one["wanted"] == 2)
        let index = try #require(one["index"]?.integerValue)
        #expect(try primary.put(Path.key("k") + "?acks=1&timeout=12s", [4]).status == 204)
        leaf.resume()
        try leaf.client.waitUntilApplied(UInt64(index) + 1)
        try primary.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try poll(within: .seconds(15), for: "n2 feeds n3") {
            try middle.client.link(from: "n2", to: "n3")?["state"] == "streaming" ? true : nil
        }
        #expect(try leaf.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)), arguments: [false, true])
    func `a leaf whose middle is gone says so and is taken over by the primary`(
        isFrozen: Bool
    ) throws {
        let cluster = try chain()
        let (primary, middle, leaf) = (cluster[0].client, cluster[1], cluster[2])
        _ = try primary.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        if isFrozen { middle.pause() } else { middle.kill() }
        for number in 0..<20 { _ = try primary.put(Path.key("w\(number)"), [2]).expecting(201) }
        try poll(within: .seconds(20), for: "the leaf notices") {
            let view = try leaf.client.node()
            return view.state != "streaming" && view.lastError != nil ? true : nil
        }
        #expect(try leaf.client.get(Path.key("k")).body == [1], "it serves what it has")
        let lag = try leaf.client.node().lagEntries
        #expect(lag == nil || lag == 0, "what it cannot know it does not say")

        let removed = try LatencyProbe.time {
            try primary.delete("/v1/nodes/n2").expecting(200)
        }
        // Whoever waited would do so for three seconds.
        #expect(removed.took < .seconds(3), "nobody waits for a node that is gone")
        try primary.waitUntilInSync()
        #expect(try leaf.client.node().upstream == "n1")
        #expect(try KeyComparison([cluster[0], leaf]).differences == [])
        #expect(try leaf.client.node().fullSyncs == 1)
        if isFrozen {
            middle.resume()
            try middle.client.waitUntilState("detached")
            #expect(try leaf.client.node().upstream == "n1")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a leaf waits while its middle gets a new state and ends equal`() throws {
        let cluster = try chain()
        let primary = cluster[0].client
        try primary.load(
            (0..<500).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        try primary.waitUntilInSync()
        let random = SeededRandom.announced(for: "a full sync in the middle of a chain")
        let writers = ParallelWriters(
            2, to: primary, random: random, pause: .milliseconds(2), label: "w")
        let resync = try primary.post("/v1/nodes/n2/resync").expecting(202)
        try primary.waitUntilDone(try #require(resync["id"]?.stringValue))
        let journal = try writers.finish()
        try primary.waitUntilInSync()
        #expect(try cluster[1].client.node().fullSyncs == 2)
        #expect(try journal.faults(at: cluster[2].client, namespace: "default") == [])
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try cluster[2].client.node().upstream == "n2")
    }

    private func chain() throws -> TestCluster {
        let cluster = try TestCluster(nodes: 2)
        let leaf = try cluster.start(cluster.makeNode())
        try cluster.takeIn(leaf, options: ["upstream": "n2"])
        return cluster
    }
}
