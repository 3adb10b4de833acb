import ClusterKit
import JSON
import Platform
import Testing

/// The primary is gone, and another node takes its place.
@Suite(.cluster) struct FailoverTests {
    @Test(.timeLimit(.minutes(5)))
    func `what a replica acknowledged survives the primary, wherever it was`() throws {
        let isShown = try (0..<3).contains { _ in try acknowledgedSurvives() }
        #expect(isShown, "n3 never promises")
    }

    /// False when n3, on a busy machine, missed the half second that it has for its promise: what
    /// it alone had is lost then.
    private func acknowledgedSurvives() throws -> Bool {
        let cluster = try TestCluster(nodes: 3)
        let (old, heir, other) = (cluster[0], cluster[1], cluster[2])
        let random = SeededRandom.announced(for: "writers under a failover")
        let writers = ParallelWriters(
            4, to: old.client, random: random, query: "?acks=1", label: "w")
        try writers.waitForAcknowledgements(200)
        old.kill()
        let journal = try writers.finish()

        let begun = try heir.client.failOver(to: "n2", acceptDataLoss: true).expecting(202)
        let done = try heir.client.waitUntilDone(try #require(begun["id"]?.stringValue))
        guard done["result"]?["promisers"] == ["n2", "n3"] else {
            for node in cluster.nodes { node.kill() }
            return false
        }
        #expect(try heir.client.put(Path.key("after"), [1]).status == 201)
        try poll(within: .seconds(20), for: "n3 follows n2") {
            let view = try other.client.node()
            return view.upstream == "n2" && view.state == "streaming" ? true : nil
        }
        #expect(try journal.faults(at: heir.client, namespace: "default") == [])
        #expect(try KeyComparison([heir, other]).differences == [])
        #expect(try other.client.node().fullSyncs == 1, "it goes on from where it was")

        try old.start(until: .alive)
        try heir.client.waitUntilInSync()
        #expect(try old.client.node().role == "replica")
        #expect(try KeyComparison([heir, other, old]).differences == [])
        return true
    }

    @Test(.timeLimit(.minutes(3)))
    func `a failover that can lose nothing needs no leave to lose data`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (old, heir) = (cluster[0], cluster[2])
        try old.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try old.client.waitUntilInSync()
        let random = SeededRandom.announced(for: "writers under a careful failover")
        let writers = ParallelWriters(4, to: old.client, random: random, label: "w")
        try writers.waitForAcknowledgements(200)
        old.kill()
        let journal = try writers.finish()

        try heir.client.becomePrimary("n3")
        #expect(try journal.faults(at: heir.client, namespace: "default") == [])
        #expect(try heir.client.put(Path.key("after") + "?timeout=14s", [1]).status == 201)
        try old.start(until: .alive)
        try heir.client.waitUntilInSync()
        #expect(try KeyComparison([heir, cluster[1], old]).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a failover that may lose data says so and leaves everything as it was`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (old, candidate) = (cluster[0], cluster[1])
        _ = try old.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        let before = try candidate.client.get("/v1/topology").etag
        old.kill()

        // Its loss may not have been noticed yet: then the operation finds it out.
        let answer = try candidate.client.failOver(to: "n2").expecting(202, 409)
        if answer.status == 409 {
            #expect(answer.problem == "data-loss-possible")
            #expect(answer["detail"]?.stringValue?.contains("is lost") == true, "\(answer)")
        } else {
            let operation = try #require(answer["id"]?.stringValue)
            let ended = try candidate.client.ask(
                "GET", "/v1/operations/\(operation)?wait=done&timeout=30s", waiting: .seconds(30))
            #expect(ended.status == 409, "\(ended)")
            #expect(ended.problem == "operation-failed")
            #expect(ended.text.contains("data-loss-possible"))
        }
        try poll(within: .seconds(20), for: "it is refused at once and in words") {
            let again = try candidate.client.failOver(to: "n2")
            return again.problem == "data-loss-possible" && again.text.contains("is lost")
                ? true : nil
        }
        #expect(try candidate.client.node().role == "replica")
        #expect(try candidate.client.get("/v1/topology").etag == before)
        #expect(try candidate.client.get(Path.key("k")).body == [1])
        #expect(try candidate.client.put(Path.key("k"), [2]).status == 421)

        try old.start(until: .alive)
        try poll(within: .seconds(30), for: "the old primary is primary again") {
            try old.client.node().role == "primary" ? true : nil
        }
        try old.client.waitUntilInSync()
        #expect(try old.client.put(Path.key("after"), [1]).status == 201)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `two failovers at once end with one primary`() throws {
        let cluster = try TestCluster(nodes: 3)
        var primary = cluster[0]
        for round in 0..<(isFullRun ? 10 : 2) {
            _ = try primary.client.put(Path.key("r\(round)"), [1]).expecting(201)
            try KeyComparison.waitForOnePosition(cluster.nodes)
            let candidates = cluster.nodes.filter { $0.name != primary.name }
            primary.kill()
            let answers = try Parallel.map(candidates, threads: 2) { node in
                try node.client.failOver(to: node.name, acceptDataLoss: true)
            }
            #expect(answers.contains { $0.status == 202 }, "\(answers)")

            let winner = try poll(
                within: .seconds(40), for: "one of them reigns, the other follows"
            ) {
                let views = try candidates.map { try $0.client.node() }
                let place = views.firstIndex { $0.role == "primary" }
                guard let place, views[1 - place].upstream == views[place].name,
                    views[1 - place].state == "streaming"
                else { return ConvoyProcess?.none }
                return candidates[place]
            }
            #expect(try winner.client.put(Path.key("w\(round)"), [1]).status == 201)
            try primary.start(until: .alive)
            try winner.client.waitUntilInSync()
            #expect(try cluster.nodes.count { try $0.client.node().role == "primary" } == 1)
            #expect(try KeyComparison(cluster.nodes).differences == [], "round \(round)")
            primary = winner
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a primary that stood still while another took over is fenced when it goes on`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (old, heir) = (cluster[0], cluster[1])
        _ = try old.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        old.pause()
        try heir.client.becomePrimary("n2", acceptDataLoss: true)
        _ = try heir.client.put(Path.key("k"), [2]).expecting(204)
        old.resume()

        try poll(within: .seconds(20), for: "the old primary appends no more") {
            try old.client.node().role == "replica" ? true : nil
        }
        // By its promise alone it does not know yet who reigns.
        let late = try old.client.put(Path.key("late"), [3])
        #expect([421, 503].contains(late.status), "\(late)")
        try heir.client.waitUntilInSync()
        #expect(try old.client.put(Path.key("late"), [3]).status == 421)
        #expect(try old.client.node().upstream == "n2")
        #expect(try old.client.get(Path.key("k")).body == [2])
        #expect(try KeyComparison([heir, old, cluster[2]]).differences == [])
        #expect(try cluster.nodes.map { try $0.client.node().divergedEntries } == [0, 0, 0])
    }

    @Test(.timeLimit(.minutes(5)))
    func `a failover says who promised, what it may have cost, and later what it did`() throws {
        let isShown = try (0..<3).contains { _ in try costIsTold() }
        #expect(isShown, "n3 never promises")
    }

    /// False when n3, on a busy machine, missed the half second that it has for its promise.
    private func costIsTold() throws -> Bool {
        let cluster = try TestCluster(empty: [])
        let (old, proxy) = try cluster.makeNodeBehindProxy()
        try cluster.start(old)
        let heir = try cluster.addReplica()
        try cluster.addReplica()
        _ = try old.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try poll(within: .seconds(20), for: "it knows what n1 had set aside before") {
            try heir.client.node("n1").divergedEntries
        }
        // Entries that nobody else gets.
        proxy.conduct = .frozen
        for number in 0..<3 {
            _ = try old.client.put(Path.key("lost-\(number)"), [1]).expecting(201)
        }
        old.kill()
        proxy.cut()
        proxy.conduct = .healthy
        // It remembers beyond its own restart what the others had set aside before.
        try heir.stop()
        try heir.start()
        try poll(within: .seconds(20), for: "it knows who answers") {
            try heir.client.node("n3").state == nil ? nil : true
        }

        let begun = try heir.client.failOver(to: "n2", acceptDataLoss: true).expecting(202)
        let id = try #require(begun["id"]?.stringValue)
        let result = try #require(heir.client.waitUntilDone(id)["result"])
        guard result["silent"]?.arrayValue?.count == 1 else {
            for node in cluster.nodes { node.kill() }
            return false
        }
        #expect(result["silent"]?[0]?["diverged_entries_before"] == 0)
        #expect(result["exclusive"] == false, "\(result)")
        #expect(result["promisers"] == ["n2", "n3"])
        #expect(result["promises_needed"] == 3)
        #expect(result["tail"] == JSONValue.null)
        #expect(result["silent"]?[0]?["node"] == "n1")
        #expect(
            result["accepted_loss"]?["entries"] == JSONValue.null,
            "how far the old primary was, nobody remembers: \(result)")
        #expect(result["found_loss"] == JSONValue.null, "nobody knows yet")

        try old.start(until: .alive)
        try heir.client.waitUntilInSync()
        for node in cluster.nodes {
            let found = try poll(within: .seconds(20), for: "\(node.name) knows what was lost") {
                () -> JSONValue? in
                let loss = try node.client.get("/v1/operations/\(id)")["result"]?["found_loss"]
                return loss?["entries"] == nil ? JSONValue?.none : loss
            }
            #expect(found["entries"] == 3, "\(found)")
            #expect(found["complete"] == true)
        }

        // Asked again as long as somebody takes more than half a second to answer.
        let careful = try poll(within: .seconds(40), every: .milliseconds(200), for: "n1 reigns") {
            () -> JSONValue? in
            let back = try old.client.failOver(to: "n1").expecting(202, 409)
            guard let again = back["id"]?.stringValue else { return JSONValue?.none }
            let ended = try old.client.ask(
                "GET", "/v1/operations/\(again)?wait=done&timeout=30s", waiting: .seconds(30)
            ).expecting(200, 409)
            return ended.status == 200 ? ended["result"] : JSONValue?.none
        }
        #expect(careful["exclusive"] == true, "everybody promised: \(careful)")
        #expect(careful["accepted_loss"] == JSONValue.null)
        #expect(careful["found_loss"]?["entries"] == 0)
        return true
    }
}
