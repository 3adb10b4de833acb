import ClusterKit
import JSON
import Platform
import Testing

/// `kill -9`, at any time: nothing that was acknowledged is lost.
@Suite(.cluster) struct CrashTests {
    @Test(.timeLimit(.minutes(3)))
    func `every acknowledged write survives twenty kills of the primary`() throws {
        let primary = try TestCluster().primary
        var random = SeededRandom.announced(for: "kills of the primary")
        var all = WriteJournal()
        for round in 0..<20 {
            let writers = ParallelWriters(
                8, to: primary.client, random: random.forked(round), label: "r\(round)")
            try writers.waitForAcknowledgements(50 + Int(random.next() % 150))
            rest(.milliseconds(Int64(random.next() % 30)))
            primary.kill()
            let journal = try writers.finish()
            try primary.start()
            #expect(
                try journal.faults(at: primary.client, namespace: "default") == [],
                "after kill \(round)")
            all.merge(journal)
        }
        #expect(try all.faults(at: primary.client, namespace: "default", threads: 8) == [])
        #expect(all.acknowledged >= 1000)
        let counted = try primary.client.get("/v1/namespaces/default")["keys"]?.integerValue
        #expect(counted == Int64(try primary.client.listKeys(in: "default").count))
    }

    @Test(.timeLimit(.minutes(2)))
    func `a replica whose primary is killed under load ends equal`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        let random = SeededRandom.announced(for: "kills of a primary with a replica")
        for round in 0..<4 {
            let writers = ParallelWriters(
                4, to: primary.client, random: random.forked(round), label: "r\(round)")
            try writers.waitForAcknowledgements(60)
            primary.kill()
            let journal = try writers.finish()
            try primary.start()
            try primary.client.waitUntilInSync()
            #expect(try journal.faults(at: primary.client, namespace: "default") == [])
            #expect(try journal.faults(at: replica.client, namespace: "default") == [])
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(2)))
    func `a replica that is killed during a full sync ends equal`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        _ = try client.createNamespace("large")
        try client.load((0..<1000).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "large")
        var random = SeededRandom.announced(for: "kills during a full sync")
        let slow = ["--full-sync-max-bytes-per-second", "2000000"]
        let replica = try cluster.start(cluster.makeNode())
        try replica.stop()
        try replica.start(additional: slow)
        _ = try cluster.beginTakingIn(replica)
        for _ in 0..<4 {
            let wanted = Int64(random.next() % 2_000_000)
            try poll(within: .seconds(40), every: .milliseconds(5), for: "\(wanted) bytes done") {
                let view = try replica.client.node()
                if view.fullSyncs == 1 { return true }
                let done = view.fullSyncBytesDone ?? -1
                return done >= wanted ? true : nil
            }
            replica.kill()
            try replica.start(additional: slow, until: .alive)
        }
        replica.kill()
        try replica.start(until: .alive)
        try client.waitUntilInSync()
        let comparison = try KeyComparison(cluster.nodes)
        #expect(comparison.differences == [])
        #expect(comparison.keysCompared == 1000)
        #expect(try replica.client.node().fullSyncs == 1)
        try poll(within: .seconds(20), for: "no staging is left behind") {
            try FileSystem.list("\(replica.dataPath)/data").count == 1 ? true : nil
        }
    }

    /// What was fetched is not fetched again: it is read, hashed, and gone on with.
    @Test(.timeLimit(.minutes(4)), arguments: [true, false])
    func `a full sync goes on where it was after the replica has ended`(inDisorder: Bool) throws {
        let cluster = try TestCluster(empty: [])
        let made = try cluster.makeNodeBehindProxy()
        try made.node.start()
        let client = made.node.client
        for number in 0..<64 {
            let value = SeededRandom.block(number, 512 << 10)
            _ = try client.put(Path.key("k\(number)"), value).expecting(201)
        }
        let slow = ["--full-sync-max-bytes-per-second", "6000000"]
        let replica = try cluster.makeNode()
        replica.setFlags(slow)
        try cluster.start(replica)
        var (before, done) = (made.proxy.traffic.bytesToClient, Int64(0))
        _ = try cluster.beginTakingIn(replica)
        var resumed: Int64?
        for attempt in 0..<3 where resumed == nil {
            // Whoever looked too late found it at its end: then again, from nothing.
            if attempt > 0 {
                try replica.stop()
                try FileSystem.removeTree(replica.dataPath)
                before = made.proxy.traffic.bytesToClient
                try replica.start(until: .alive)
            }
            done = try poll(
                within: .seconds(40), every: .milliseconds(5), for: "the half is there"
            ) { () -> Int64? in
                let view = try replica.client.node()
                if view.fullSyncs == 1 { return Int64.max }
                guard let done = view.fullSyncBytesDone, let total = view.fullSyncBytesTotal else {
                    return nil
                }
                return total > 0 && done * 2 >= total ? done : nil
            }
            if inDisorder { replica.kill() } else { try replica.stop() }
            try replica.start(until: .alive)
            resumed = try poll(
                within: .seconds(40), every: .milliseconds(5), for: "it says what it has"
            ) { () -> Int64?? in
                let view = try replica.client.node()
                if view.fullSyncs == 1 { return .some(nil) }
                guard let bytes = view.resumedBytes, bytes >= done else { return nil }
                return .some(bytes)
            }
        }
        let fetched = try #require(resumed, "it was never seen in time")
        try client.waitUntilInSync()
        let view = try replica.client.node()
        let total = try #require(view.json["last_full_sync"]?["bytes"]?.integerValue)
        let sent = Int64(made.proxy.traffic.bytesToClient - before)
        print("a full sync of \(total) bytes, ended once: \(sent) sent, \(fetched) resumed")
        // What was in the four connections is lost with them.
        #expect(sent < total + done)
        #expect(view.fullSyncs == 1)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try poll(within: .seconds(20), for: "no staging is left behind") {
            try FileSystem.list("\(replica.dataPath)/data").count == 1 ? true : nil
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a replica that is killed while it streams ends equal`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        let random = SeededRandom.announced(for: "kills while streaming")
        let writers = ParallelWriters(4, to: primary.client, random: random, label: "w")
        for round in 1...5 {
            try writers.waitForAcknowledgements(round * 60)
            replica.kill()
            try writers.waitForAcknowledgements(round * 60 + 30)
            try replica.start()
        }
        let journal = try writers.finish()
        try primary.client.waitUntilInSync()
        let comparison = try KeyComparison(cluster.nodes)
        #expect(comparison.differences == [])
        #expect(try journal.faults(at: replica.client, namespace: "default") == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(2)))
    func `both nodes killed at once end equal`() throws {
        let cluster = try TestCluster(nodes: 2)
        let random = SeededRandom.announced(for: "kills of both")
        for round in 0..<3 {
            let writers = ParallelWriters(
                4, to: cluster.primary.client, random: random.forked(round), label: "r\(round)")
            try writers.waitForAcknowledgements(60)
            for node in cluster.nodes { node.kill() }
            let journal = try writers.finish()
            try cluster[1].start(until: .alive)
            try cluster.primary.start()
            try cluster.primary.client.waitUntilInSync()
            #expect(try journal.faults(at: cluster[1].client, namespace: "default") == [])
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
