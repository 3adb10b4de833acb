import ClusterKit
import JSON
import Testing

/// A candidate that has not heard of the latest changes of the topology.
@Suite(.cluster) struct UnheardChangeTests {
    /// Of a write that a replica which is there acknowledges, late perhaps on a busy machine.
    private static let patiently = "?timeout=12s"

    /// n2 hears of the removal from the removed node, and does not have the entry: so entries are
    /// missing here, acknowledged ones perhaps.
    @Test(.timeLimit(.minutes(3)))
    func `a candidate whose log lacks the topology that it was told of is not promoted unasked`()
        throws
    {
        let cluster = try TestCluster(nodes: 3)
        let (old, candidate, removed) = (cluster[0], cluster[1], cluster[2])
        try old.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try old.client.waitUntilInSync()
        candidate.kill()
        _ = try old.client.put(Path.key("acked") + UnheardChangeTests.patiently, [1]).expecting(201)
        _ = try old.client.delete("/v1/nodes/n3").expecting(200)
        try removed.client.waitUntilState("detached")
        let generation = try #require(removed.client.get("/v1/topology")["generation"])
        old.kill()
        try candidate.start(until: .alive)
        try poll(within: .seconds(30), for: "n2 hears of the removal") {
            try candidate.client.get("/v1/topology")["generation"] == generation ? true : nil
        }
        let answer = try candidate.client.failOver(to: "n2").expecting(202, 409)
        if let operation = answer["id"]?.stringValue {
            let ended = try candidate.client.ask(
                "GET", "/v1/operations/\(operation)?wait=done&timeout=30s", waiting: .seconds(30))
            #expect(ended.problem == "operation-failed", "\(ended)")
            #expect(ended.text.contains("tail-missing"), "\(ended)")
        }
        try candidate.client.becomePrimary("n2", acceptDataLoss: true)
        let nodes = try candidate.client.nodeNames()
        #expect(nodes == ["n1", "n2"], "who was removed stays removed")
        try old.start(until: .alive)
        try candidate.client.waitUntilInSync()
        #expect(try old.client.node().divergedEntries ?? 0 > 0, "what was lost is kept")
        #expect(try removed.client.node().state == "detached")
    }

    /// n2 stands still while n3 is added. What only n3 has may be answered once n2 knows of n3, or is
    /// removed; else n2, promoted alone by the topology that it knows, would lose it unsaid.
    @Test(.timeLimit(.minutes(3)))
    func `a write that only a new replica has is not answered while an old one may not know of it`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let (primary, old) = (cluster[0], cluster[1])
        try primary.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try primary.client.waitUntilInSync()
        let patiently = UnheardChangeTests.patiently
        #expect(try primary.client.put(Path.key("before") + patiently, [1]).status == 201)
        old.pause()
        let newcomer = try cluster.start(cluster.makeNode())
        try primary.client.waitUntilDone(try cluster.beginTakingIn(newcomer))

        // Again until n3 has it within the second.
        let held = try poll(within: .seconds(30), for: "a write that only n3 has") {
            () -> TestAnswer? in
            let answer = try primary.client.put(Path.key("held") + "?timeout=1s", [2])
            return try answer.expecting(504)["reached"] == 1 ? answer : nil
        }
        #expect(held.problem == "acks-timeout")
        #expect(held["unheard"]?["nodes"] == ["n2"], "\(held)")
        #expect(try newcomer.client.get(Path.key("held")).body == [2])
        let barrier = try primary.client.post("/v1/barriers")
        #expect(barrier.status == 504, "\(barrier)")

        old.resume()
        try primary.client.waitUntilInSync()
        #expect(try primary.client.put(Path.key("after") + patiently, [3]).status == 201)
        // It is written down, so that a primary that starts anew does not ask n2 again.
        try poll(within: .seconds(30), for: "the note that n2 has heard of n3") {
            primary.errorsTail(lines: 10_000).contains("known widely enough") ? true : nil
        }
        primary.kill()
        old.pause()
        try primary.start()
        try primary.client.ask(
            "GET", "/v1/sync?wait=in_sync:1&timeout=40s", waiting: .seconds(40)
        ).expecting(200)
        #expect(try primary.client.put(Path.key("later") + patiently, [4]).status == 201)
        old.resume()
        try primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(2)))
    func `writes go on when the replica that cannot hear of a new one is removed`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        try client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try client.waitUntilInSync()
        cluster[1].pause()
        let newcomer = try cluster.start(cluster.makeNode())
        try client.waitUntilDone(try cluster.beginTakingIn(newcomer))
        #expect(try client.put(Path.key("held") + "?timeout=500ms", [1]).status == 504)
        _ = try client.delete("/v1/nodes/n2").expecting(200)
        let put = try client.put(Path.key("k") + UnheardChangeTests.patiently, [1])
        #expect(put.status == 201, "\(put)")
    }

    /// n2 was promoted without having heard of n3, and gives its number to n4.
    @Test(.timeLimit(.minutes(3)))
    func `a node whose number was given again has no place and contests nothing`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (old, heir) = (cluster[0], cluster[1])
        heir.kill()
        let forgotten = try cluster.start(cluster.makeNode())
        try old.client.waitUntilDone(try cluster.beginTakingIn(forgotten))
        forgotten.kill()
        old.kill()
        try heir.start(until: .alive)
        try heir.client.becomePrimary("n2", acceptDataLoss: true)
        let newcomer = try cluster.start(cluster.makeNode())
        let begun = try heir.client.addNode(at: newcomer.address).expecting(202)
        try heir.client.waitUntilDone(try #require(begun["id"]?.stringValue))
        try forgotten.start(until: .alive)
        try old.start(until: .alive)
        try heir.client.waitUntilInSync()

        try forgotten.client.waitUntilState("detached")
        #expect(try heir.client.nodeNames() == ["n1", "n2", "n4"])
        let refused = try forgotten.client.claim("n2")
        #expect(refused.status == 409, "\(refused)")
        // It is "unconfirmed" while a busy machine keeps it from hearing the others.
        try heir.client.waitUntilState("serving")
        _ = try heir.client.put(Path.key("k"), [1]).expecting(201)
        try heir.client.waitUntilInSync()
        #expect(try KeyComparison([heir, old, newcomer]).differences == [])
    }
}
