import ClusterKit
import JSON
import Testing

/// A former primary comes back and finds too few of the others, though writes wait for a replica:
/// one of those may have reigned meanwhile, and have acknowledged what this one has never seen.
@Suite(.cluster) struct LonePrimaryTests {
    private func strictCluster() throws -> TestCluster {
        let cluster = try TestCluster(nodes: 3)
        try cluster.primary.client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try cluster.primary.client.waitUntilInSync()
        _ = try cluster.primary.client.put(Path.key("k") + "?timeout=14s", [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        return cluster
    }

    @Test(.timeLimit(.minutes(3)))
    func `it says whom it needs and reigns as soon as they are there`() throws {
        let cluster = try strictCluster()
        let lone = cluster[0]
        for node in cluster.nodes { node.kill() }
        try lone.start(until: .alive)
        let error = try poll(within: .seconds(20), for: "it says what it waits for") {
            try lone.client.node().lastError
        }
        #expect(error.contains("1 of the 2 nodes"), "\(error)")
        rest(.seconds(2))
        #expect(try lone.client.node().role == "undecided")
        #expect(try lone.client.get("/readyz").status == 503)
        #expect(try lone.client.put(Path.key("k"), [2]).problem == "no-primary")
        #expect(try lone.client.get(Path.key("k")).body == [1], "what it has it serves")

        try cluster[2].start(until: .alive)
        try poll(within: .seconds(30), for: "two of three are enough") {
            try lone.client.node().role == "primary" ? true : nil
        }
        #expect(try lone.client.put(Path.key("k") + "?timeout=14s", [2]).status == 204)
        try cluster[1].start(until: .alive)
        try lone.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `it reigns alone when an operator says that what others have may be lost`() throws {
        let cluster = try strictCluster()
        let lone = cluster[0]
        for node in cluster.nodes { node.kill() }
        try lone.start(until: .alive)
        // Nothing else forbids it: an earlier try has ended, too.
        let refused = try poll(within: .seconds(20), for: "it knows that nobody answers") {
            let answer = try lone.client.failOver(to: "n1")
            if answer.problem == "data-loss-possible" { return TestAnswer?.some(answer) }
            rest(.milliseconds(700))
            return nil
        }
        #expect(refused.status == 409, "\(refused)")
        try lone.client.becomePrimary("n1", acceptDataLoss: true)
        // It is in the log; no replica has it yet.
        #expect(try lone.client.put(Path.key("k"), [2]).problem == "acks-timeout")
        for node in [cluster[1], cluster[2]] { try node.start(until: .alive) }
        try lone.client.waitUntilInSync()
        #expect(try lone.client.get(Path.key("k")).body == [2])
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Somebody has copied the directory of a node that did not run, and starts both.
    @Test(.timeLimit(.minutes(3)))
    func `a copy of the primary's directory does not depose it, and says what it is`() throws {
        let cluster = try TestCluster(nodes: 2)
        let primary = cluster.primary
        _ = try primary.client.put(Path.key("k") + "?acks=1&timeout=14s", [1]).expecting(201)
        primary.kill()
        let elsewhere = try ScratchDirectory("copy")
        let copy = try ConvoyProcess(name: "n1", in: elsewhere)
        defer { copy.kill() }
        let copied = try CommandRun("/bin/cp", ["-r", primary.dataPath, copy.dataPath])
        #expect(copied.exitCode == 0, "\(copied)")
        try primary.start()
        try primary.client.waitUntilInSync()
        let term = try primary.client.get("/v1/sync")["term"]

        try copy.start(until: .alive)
        try poll(within: .seconds(30), for: "the copy says what it is") {
            let node = try copy.client.get("/v1/nodes/self")
            let error = node.text
            return error.contains("twin-running") && error.contains(primary.address) ? true : nil
        }
        #expect(try copy.client.node().role == "undecided")
        #expect(try copy.client.put(Path.key("k"), [2]).status >= 400)
        #expect(try primary.client.get("/v1/sync")["term"] == term)
        let put = try primary.client.put(Path.key("k") + "?acks=1&timeout=14s", [3])
        #expect(put.status == 204, "\(put)")
        #expect(try cluster[1].client.get(Path.key("k")).body == [3])
    }
}
