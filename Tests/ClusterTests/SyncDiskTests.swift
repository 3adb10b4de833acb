import ClusterKit
import Platform
import Testing

/// What a full sync does with the disk when it cannot go on.
@Suite(.cluster) struct SyncDiskTests {
    private static let valueBytes = 512 << 10

    /// A primary with 24 MiB of data.
    private func loadedPrimary() throws -> TestCluster {
        let cluster = try TestCluster()
        for number in 0..<48 {
            let value = SeededRandom.block(number, SyncDiskTests.valueBytes)
            _ = try cluster.primary.client.put(Path.key("k\(number)"), value).expecting(201)
        }
        return cluster
    }

    private func incarnations(_ node: ConvoyProcess) throws -> [String] {
        try FileSystem.list("\(node.dataPath)/data").sorted()
    }

    /// Blocks until the incarnation that serves is the only one.
    @discardableResult
    private func waitUntilOne(_ node: ConvoyProcess) throws -> [String] {
        try poll(within: .seconds(20), for: "one incarnation is left") {
            let names = try incarnations(node)
            return names.count == 1 ? names : nil
        }
    }

    private func waitUntilClean(_ node: ConvoyProcess, _ expected: [String]) throws {
        try poll(within: .seconds(20), for: "nothing of the transfer is left") {
            try incarnations(node) == expected ? true : nil
        }
    }

    @Test(.enabled(if: SmallDisk.isPossible), .timeLimit(.minutes(5)))
    func `a full sync without enough disk says how much is missing, and leaves nothing`() throws {
        let cluster = try loadedPrimary()
        let replica = try cluster.makeNode(flags: ["--disk-reserve-bytes", "65536"])
        let disk = try SmallDisk(at: replica.dataPath, bytes: 40 << 20)
        defer { disk.unmount() }
        try replica.start()
        _ = try cluster.beginTakingIn(replica)
        let failed = try poll(within: .seconds(40), for: "it says that it lacks disk") {
            () throws -> NodeView? in
            let view = try replica.client.node()
            return view.lastError?.contains("are missing") == true ? view : nil
        }
        let words = try #require(failed.lastError)
        #expect(words.contains("disk-full"), "\(words)")
        let missing = words.split(separator: " ").compactMap { Int($0) }.last
        print(words)
        // 24 MiB and the reserve of 64 do not fit in 40, with what the node has itself.
        #expect(missing ?? 0 > 44 << 20 && missing ?? 0 < 60 << 20)
        try poll(within: .seconds(20), for: "the primary says it, too") {
            try cluster.primary.client.node("n2").lastError?.contains("are missing") == true
                ? true : nil
        }
        // It tries again, and each time leaves nothing: what it had was given up as it was adopted.
        try poll(within: .seconds(40), for: "more attempts") {
            try replica.client.node().attempt ?? 0 >= 3 ? true : nil
        }
        try waitUntilClean(replica, [])

        try disk.resize(bytes: 200 << 20)
        try cluster.primary.client.waitUntilInSync(within: 60)
        #expect(try replica.client.node().fullSyncs == 1)
        try waitUntilOne(replica)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try replica.stop()
    }

    @Test(.enabled(if: SmallDisk.isPossible), .timeLimit(.minutes(5)))
    func `a disk that fills up during a transfer gets back what the transfer took`() throws {
        let cluster = try loadedPrimary()
        let replica = try cluster.makeNode(
            flags: [
                "--disk-reserve-bytes", "65536", "--full-sync-max-bytes-per-second", "1500000",
            ])
        let disk = try SmallDisk(at: replica.dataPath, bytes: 160 << 20)
        defer { disk.unmount() }
        try replica.start()
        _ = try cluster.beginTakingIn(replica)
        try poll(within: .seconds(40), every: .milliseconds(5), for: "the transfer runs") {
            try replica.client.node().fullSyncBytesDone ?? 0 > 4 << 20 ? true : nil
        }
        try disk.fill()
        let failed = try poll(within: .seconds(40), for: "it says that the disk is full") {
            () throws -> NodeView? in
            let view = try replica.client.node()
            return view.lastError?.contains("disk-full") == true ? view : nil
        }
        #expect(failed.lastError?.contains("are missing") == true, "\(failed.lastError ?? "")")
        try waitUntilClean(replica, [])
        // Once nobody has it open any more.
        try poll(within: .seconds(20), for: "the disk has it back") {
            try FileSystem.space(at: replica.dataPath).freeBytes > 4 << 20 ? true : nil
        }

        try disk.unfill()
        _ = try replica.client.limitFullSync(200_000_000).expecting(200)
        try cluster.primary.client.waitUntilInSync(within: 60)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try replica.stop()
    }

    @Test(.timeLimit(.minutes(4)))
    func `a node that is removed during a transfer keeps its state and nothing else`() throws {
        let cluster = try loadedPrimary()
        let replica = try cluster.addReplica()
        let before = try waitUntilOne(replica)
        _ = try replica.client.limitFullSync(2_000_000).expecting(200)
        _ = try cluster.primary.client.post("/v1/nodes/n2/resync").expecting(202)
        try poll(within: .seconds(40), every: .milliseconds(5), for: "the transfer runs") {
            try replica.client.node().fullSyncBytesDone ?? 0 > 1 << 20 ? true : nil
        }
        #expect(try incarnations(replica).count == 2)
        _ = try cluster.primary.client.delete("/v1/nodes/n2").expecting(200)
        try replica.client.waitUntilState("detached")
        try waitUntilClean(replica, before)
        #expect(try replica.client.get(Path.key("k1")).status == 200, "it serves what it has")
    }
}
