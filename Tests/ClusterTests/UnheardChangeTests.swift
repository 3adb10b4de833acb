import ClusterKit
import JSON
import Testing

/// A candidate that has not heard of the latest changes of the topology.
@Suite(.cluster) struct UnheardChangeTests {
    /// n2 hears of the removal from the removed node, and does not have the entry: so entries are
    /// missing here, acknowledged ones perhaps.
    @Test(.timeLimit(.minutes(1)))
    func `a candidate whose log lacks the topology that it was told of is not promoted unasked`()
        throws
    {
        let cluster = try TestCluster(nodes: 3)
        let (old, candidate, removed) = (cluster[0], cluster[1], cluster[2])
        try old.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try old.client.waitUntilInSync()
        candidate.kill()
        _ = try old.client.put(Path.key("acked"), [1]).expecting(201)
        _ = try old.client.delete("/v1/nodes/n3").expecting(200)
        try removed.client.waitUntilState("detached", within: 5)
        let generation = try #require(removed.client.get("/v1/topology")["generation"])
        old.kill()
        try candidate.start(until: .alive)
        try poll(within: .seconds(10), for: "n2 hears of the removal") {
            try candidate.client.get("/v1/topology")["generation"] == generation ? true : nil
        }
        let answer = try candidate.client.failOver(to: "n2").expecting(202, 409)
        if let operation = answer["id"]?.stringValue {
            let ended = try candidate.client.get("/v1/operations/\(operation)?wait=done&timeout=9s")
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

    /// n2 was promoted without having heard of n3, and gives its number to n4.
    @Test(.timeLimit(.minutes(1)))
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
        let body: JSONValue = ["address": .string(newcomer.address)]
        let begun = try heir.client.post("/v1/nodes", body).expecting(202)
        try heir.client.waitUntilDone(try #require(begun["id"]?.stringValue))
        try forgotten.start(until: .alive)
        try old.start(until: .alive)
        try heir.client.waitUntilInSync()

        try forgotten.client.waitUntilState("detached", within: 10)
        #expect(try heir.client.nodeNames() == ["n1", "n2", "n4"])
        let refused = try forgotten.client.claim("n2")
        #expect(refused.status == 409, "\(refused)")
        #expect(try heir.client.node().state == "serving")
        _ = try heir.client.put(Path.key("k"), [1]).expecting(201)
        try heir.client.waitUntilInSync()
        #expect(try KeyComparison([heir, old, newcomer]).differences == [])
    }
}
