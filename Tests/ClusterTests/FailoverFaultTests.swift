import ClusterKit
import JSON
import Platform
import Testing

/// Failovers while nodes lag, die, or are still there.
@Suite(.cluster) struct FailoverFaultTests {
    @Test(.timeLimit(.minutes(3)))
    func `a failover that every node promises loses no write of anybody`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (old, heir) = (cluster[0], cluster[1])
        let random = SeededRandom.announced(for: "writers under a failover that all promise")
        let writers = ParallelWriters(4, to: old.client, random: random, label: "w")
        try writers.waitForAcknowledgements(300)
        try heir.client.becomePrimary("n2")
        let journal = try writers.finish()
        #expect(try journal.faults(at: heir.client, namespace: "default") == [])
        #expect(try heir.client.put(Path.key("after"), [1]).status == 201)
        try heir.client.waitUntilInSync()
        #expect(try old.client.node().role == "replica")
        #expect(try KeyComparison([heir, old, cluster[2]]).differences == [])
        #expect(try cluster.nodes.map { try $0.client.node().divergedEntries } == [0, 0, 0])
        #expect(try cluster[2].client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a candidate takes what it lacks from the replica that has it`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (old, heir, ahead) = (cluster[0], cluster[1], cluster[2])
        try old.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try old.client.waitUntilInSync()
        heir.kill()
        let records = (0..<300).map { (key: "k\($0)", value: SeededRandom.block($0, 2048)) }
        for record in records {
            _ = try old.client.put(Path.key(record.key) + "?timeout=14s", record.value)
                .expecting(201)
        }
        old.kill()
        try heir.start(until: .alive)
        #expect(try heir.client.get(Path.key("k0")).status == 404, "it lacks all of them")

        // It has to hear of the others before it can know that they will promise.
        try poll(within: .seconds(20), for: "it knows that n3 answers") {
            try heir.client.node("n3").state == nil ? nil : true
        }
        try heir.client.becomePrimary("n2")
        let found = try heir.client.values(
            of: records.map { Array($0.key.utf8) }, in: "default")
        #expect(found == records.map(\.value))
        #expect(try heir.client.put(Path.key("after") + "?timeout=14s", [1]).status == 201)
        #expect(try KeyComparison([heir, ahead]).differences == [])
        #expect(try ahead.client.node().fullSyncs == 1)
        try old.start(until: .alive)
        try heir.client.waitUntilInSync()
        #expect(try KeyComparison([heir, ahead, old]).differences == [])
        #expect(try old.client.node().divergedEntries == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a candidate that is killed during its failover leaves one primary and every write`()
        throws
    {
        let cluster = try TestCluster(nodes: 3)
        var random = SeededRandom.announced(for: "kills of a candidate")
        var primary = cluster[0]
        for round in 0..<(isFullRun ? 20 : 4) {
            let writers = ParallelWriters(
                2, to: primary.client, random: random.forked(round), query: "?acks=2",
                label: "r\(round)")
            try writers.waitForAcknowledgements(30)
            primary.kill()
            let journal = try writers.finish()
            let candidate = try #require(cluster.nodes.first { $0.name != primary.name })
            _ = try candidate.client.failOver(to: candidate.name, acceptDataLoss: true)
                .expecting(202)
            rest(.milliseconds(Int64(random.next() % 60)))
            candidate.kill()
            try candidate.start(until: .alive)
            try primary.start(until: .alive)

            // One that reigns while another still bids may be deposed, until both others follow it.
            let winner = try poll(within: .seconds(40), for: "one node is primary, others follow") {
                () -> ConvoyProcess? in
                let views = try cluster.nodes.map { try $0.client.node() }
                guard let place = views.firstIndex(where: { $0.role == "primary" }) else {
                    return nil
                }
                let name = cluster.nodes[place].name
                let followers = views.count { $0.upstream == name && $0.state == "streaming" }
                return followers == 2 ? cluster.nodes[place] : nil
            }
            try winner.client.waitUntilInSync()
            #expect(try winner.client.put(Path.key("after-\(round)"), [1]).status == 201)
            for node in cluster.nodes {
                try winner.client.waitUntilInSync()
                #expect(try journal.faults(at: node.client, namespace: "default") == [])
            }
            #expect(try KeyComparison(cluster.nodes).differences == [], "round \(round)")
            primary = winner
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `the end of a chain becomes primary and feeds the others`() throws {
        let cluster = try TestCluster(nodes: 2)
        let leaf = try cluster.start(cluster.makeNode())
        try cluster.takeIn(leaf, options: ["upstream": "n2"])
        let random = SeededRandom.announced(for: "writers on a chain")
        let writers = ParallelWriters(
            2, to: cluster.primary.client, random: random, query: "?acks=1", label: "w")
        try writers.waitForAcknowledgements(100)
        cluster.primary.kill()
        let journal = try writers.finish()
        // What n2 alone has would be lost if it took more than half a second for its promise.
        try KeyComparison.waitForOnePosition([cluster[1], leaf])
        try leaf.client.becomePrimary("n3", acceptDataLoss: true)
        try poll(within: .seconds(20), for: "n2 follows n3") {
            let view = try cluster[1].client.node()
            return view.upstream == "n3" && view.state == "streaming" ? true : nil
        }
        #expect(try journal.faults(at: leaf.client, namespace: "default") == [])
        #expect(try KeyComparison([leaf, cluster[1]]).differences == [])
        try cluster.primary.start(until: .alive)
        try leaf.client.waitUntilInSync()
        #expect(try KeyComparison([leaf, cluster[1], cluster.primary]).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a fork keeps none of the followers that it had as a replica`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, middle) = (cluster.primary, cluster[1])
        let leaf = try cluster.start(cluster.makeNode())
        try cluster.takeIn(leaf, options: ["upstream": "n2"])
        _ = try primary.client.put(Path.key("x"), Array("000".utf8)).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)

        leaf.pause()
        _ = try primary.client.delete("/v1/nodes/n2").expecting(200)
        try middle.client.waitUntilState("detached")
        try middle.client.becomePrimary("n2")
        _ = try middle.client.put(Path.key("x"), Array("222".utf8)).expecting(204)
        _ = try primary.client.put(Path.key("x"), Array("111".utf8)).expecting(204)
        leaf.resume()

        let deadline = MonotonicTime.now() + .seconds(1)
        while MonotonicTime.now() < deadline {
            let text = try leaf.client.get(Path.key("x")).text
            #expect(text == "000" || text == "111", "nothing of the fork arrives")
            rest(.milliseconds(5))
        }
        try primary.client.waitUntilInSync()
        #expect(try leaf.client.node().upstream == "n1")
        #expect(try leaf.client.node().fullSyncs == 1)
        #expect(try KeyComparison([primary, leaf]).differences == [])
        #expect(try middle.client.get(Path.key("x")).text == "222")
        #expect(try middle.client.nodeNames() == ["n2"])
        #expect(try middle.client.links().isEmpty)
    }
}
