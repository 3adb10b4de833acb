import ClusterKit
import JSON
import Platform
import Testing

/// Adding and removing nodes while processes die, stand still, or are asked twice.
@Suite(.cluster) struct MembershipFaultTests {
    @Test(.timeLimit(.minutes(5)))
    func `a node that is killed at any moment of its adoption ends equal`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        _ = try client.createNamespace("tenant")
        try client.load((0..<400).map { ("k\($0)", SeededRandom.block($0, 1024)) }, into: "tenant")
        var random = SeededRandom.announced(for: "kills during an adoption")
        for round in 0..<(isFullRun ? 40 : 8) {
            let node = try cluster.start(cluster.makeNode(name: "r\(round)"))
            let operation = try cluster.beginTakingIn(node)
            rest(.milliseconds(Int64(random.next() % 120)))
            node.kill()
            try node.start(until: .alive)
            try client.waitUntilDone(operation)
            try client.waitUntilInSync()
            #expect(try KeyComparison([cluster.primary, node]).differences == [], "round \(round)")
            #expect(try #require(node.client.node().fullSyncs) <= 1)
            try poll(within: .seconds(20), for: "one state is left") {
                try FileSystem.list("\(node.dataPath)/data").count == 1 ? true : nil
            }
            _ = try client.delete("/v1/nodes/r\(round)").expecting(200)
            node.kill()
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a primary that is killed while it takes a node in finishes it afterwards`() throws {
        let cluster = try TestCluster()
        let primary = cluster.primary
        try primary.client.load(
            (0..<400).map { ("k\($0)", SeededRandom.block($0, 1024)) }, into: "default")
        var random = SeededRandom.announced(for: "kills of a primary that adopts")
        for round in 0..<(isFullRun ? 20 : 5) {
            let node = try cluster.start(cluster.makeNode(name: "r\(round)"))
            let operation = try cluster.beginTakingIn(node)
            rest(.milliseconds(Int64(random.next() % 80)))
            primary.kill()
            try primary.start()
            try primary.client.waitUntilInSync()
            let ended = try primary.client.waitUntilDone(operation)
            #expect(ended["state"] == "succeeded")
            try poll(within: .seconds(20), for: "everything runs as configured") {
                try primary.client.get("/v1/topology/drift")["items"] == [] ? true : nil
            }
            #expect(try KeyComparison([primary, node]).differences == [], "round \(round)")
            _ = try primary.client.delete("/v1/nodes/r\(round)").expecting(200)
            try node.client.waitUntilState("detached")
            node.kill()
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that is removed during its full sync detaches and leaves nothing`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        try client.load((0..<500).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        // Two megabytes, in more than half a minute: it is in their midst when it is removed.
        let node = try cluster.start(
            cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "50000"]))
        let operation = try cluster.beginTakingIn(node)
        try poll(within: .seconds(20), for: "the transfer runs") {
            try node.client.node().fullSyncBytesDone ?? 0 > 0 ? true : nil
        }
        _ = try client.delete("/v1/nodes/\(node.name)").expecting(200)
        try node.client.waitUntilState("detached")
        #expect(try node.client.get(Path.key("k1")).status == 503, "it has no state")
        try poll(within: .seconds(20), for: "the primary has no link") {
            try client.links().isEmpty ? true : nil
        }
        let ended = try client.ask(
            "GET", "/v1/operations/\(operation)?wait=done&timeout=30s", waiting: .seconds(30))
        #expect(ended.status == 409, "its adoption cannot succeed any more: \(ended)")
        #expect(ended.problem == "operation-failed")
        _ = try node.client.limitFullSync(1 << 40).expecting(200)
        try cluster.takeIn(node)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `two nodes taken in at once are both in sync`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        try client.load((0..<500).map { ("k\($0)", SeededRandom.block($0, 2048)) }, into: "default")
        let nodes = try (0..<2).map { _ in try cluster.start(cluster.makeNode()) }
        let joining = try cluster.makeNode(flags: ["--join", cluster.primary.address])
        let operations = try nodes.map { try cluster.beginTakingIn($0) }
        try joining.start()
        for operation in operations { try client.waitUntilDone(operation) }
        try client.waitUntilInSync()
        #expect(try client.nodeNames() == ["n1", "n2", "n3", "n4"])
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node asked for by many at once is taken in once`() throws {
        let cluster = try TestCluster()
        let node = try cluster.start(cluster.makeNode())
        let answers = try Parallel.map(Array(0..<6), threads: 6) { _ in
            try cluster.primary.client.addNode(at: node.address)
        }
        #expect(answers.filter { $0.status == 202 }.count == 1)
        #expect(answers.filter { $0.status == 409 }.count == 5, "\(answers)")
        try cluster.primary.client.waitUntilInSync()
        #expect(try cluster.primary.client.nodeNames() == ["n1", "n2"])
        #expect(try node.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that is added and removed again and again follows every time`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let node = cluster[1]
        for round in 0..<5 {
            _ = try client.delete("/v1/nodes/n2").expecting(200)
            if round.isMultiple(of: 2) { try node.client.waitUntilState("detached") }
            _ = try client.put(Path.key("k\(round)"), [UInt8(round)]).expecting(201)
            try cluster.takeIn(node)
            #expect(try node.client.get(Path.key("k\(round)")).body == [UInt8(round)])
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica that stood still goes on where it was`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        replica.pause()
        let value = [UInt8](repeating: 1, count: 20_000)
        let times = try (0..<300).map { number in
            try LatencyProbe.time { try primary.client.put(Path.key("k\(number)"), value) }.took
        }
        // Of most: a busy machine may hold up some.
        #expect(times.sorted()[150] < .milliseconds(100), "nobody waits for a replica")
        try poll(within: .seconds(20), for: "the primary says that n2 does not follow") {
            try primary.client.get("/v1/sync")["in_sync"] == false ? true : nil
        }
        rest(.seconds(2))
        replica.resume()
        try primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica whose primary stands still says so and serves what it has`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        primary.pause()
        try poll(within: .seconds(20), for: "the replica is not streaming any more") {
            try replica.client.node().state == "streaming" ? nil : true
        }
        var times: [Duration] = []
        for _ in 0..<50 {
            let start = MonotonicTime.now()
            #expect(try replica.client.get("/v1/sync").status == 200)
            #expect(try replica.client.get(Path.key("k")).body == [1])
            #expect(try replica.client.get("/livez").status == 200)
            times.append(MonotonicTime.now() - start)
        }
        // Of most: a busy machine may hold up some.
        #expect(times.sorted()[25] < .milliseconds(300))
        let view = try replica.client.node()
        #expect(view.lastError != nil)
        #expect(view.lagEntries == nil || view.lagEntries == 0)
        #expect(try replica.client.get("/v1/sync")["in_sync"] != true)
        #expect(try replica.client.get("/health/in-sync").status == 503)
        primary.resume()
        try primary.client.waitUntilInSync()
        #expect(try primary.client.put(Path.key("k2"), [2]).status == 201)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica of a replica has everything and outlives its upstream's restart`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let leaf = try cluster.start(cluster.makeNode())
        try cluster.takeIn(leaf, options: ["upstream": "n2"])
        #expect(try leaf.client.node().upstream == "n2")
        let random = SeededRandom.announced(for: "a chain of replicas")
        let writers = ParallelWriters(2, to: client, random: random, label: "w")
        for round in 1...3 {
            try writers.waitForAcknowledgements(round * 50)
            cluster[1].kill()
            try writers.waitForAcknowledgements(round * 50 + 25)
            try cluster[1].start()
        }
        _ = try writers.finish()
        try client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try leaf.client.node().fullSyncs == 1)
        // An upstream that is removed hands its followers on.
        _ = try client.delete("/v1/nodes/n2").expecting(200)
        try client.waitUntilInSync()
        #expect(try leaf.client.node().upstream == "n1")
        _ = try client.put(Path.key("after"), [1]).expecting(201)
        #expect(try KeyComparison([cluster.primary, leaf]).differences == [])
        #expect(try leaf.client.node().fullSyncs == 1)
    }
}
