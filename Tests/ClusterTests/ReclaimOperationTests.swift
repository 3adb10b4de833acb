import ClusterKit
import JSON
import Platform
import Testing

/// The space of deleted data, given back as something that can be looked at.
@Suite(.cluster) struct ReclaimOperationTests {
    private func reclaims(_ node: ConvoyProcess) throws -> [JSONValue] {
        try node.client.list("/v1/operations").filter { $0["type"] == "reclaim" }
    }

    /// Of files of the database.
    private func databaseBytes(_ node: ConvoyProcess) throws -> UInt64 {
        let data = "\(node.dataPath)/data"
        return try FileSystem.list(data).reduce(0) { sum, incarnation in
            let path = "\(data)/\(incarnation)/db"
            guard let files = try? FileSystem.list(path) else { return sum }
            return files.reduce(sum) { $0 + ((try? UInt64(FileSystem.size("\(path)/\($1)"))) ?? 0) }
        }
    }

    @Test(.timeLimit(.minutes(6)), arguments: [false, true])
    func `the space of a deleted or flushed namespace comes back, and an operation says so`(
        isFlushed: Bool
    ) throws {
        // So little of unflushed log that all is written to files.
        let flags = ["--log-retention-bytes", "1048576", "--log-retention-max-bytes", "1048576"]
        let cluster = try TestCluster(nodes: 2, flags: flags)
        let primary = cluster.primary.client
        _ = try primary.createNamespace("large")
        var random = SeededRandom(seed: 11)
        for number in 0..<96 {
            _ = try primary.put(Path.key("k\(number)", in: "large"), random.bytes(256 << 10))
                .expecting(201)
        }
        _ = try primary.put(Path.key("stays"), [1]).expecting(201)
        try primary.waitUntilInSync(within: 60)
        for node in cluster.nodes {
            try poll(within: .seconds(30), for: "the data is in files at \(node.name)") {
                try databaseBytes(node) > 20 << 20 ? true : nil
            }
            #expect(try reclaims(node).isEmpty)
        }
        if isFlushed {
            _ = try primary.post("/v1/namespaces/large/flush").expecting(200)
        } else {
            // Among more leftovers than are looked at each second.
            let names = (100..<180).map { "left-\($0)" }
            _ = try primary.post(
                "/v1/namespaces/batch", ["create": .array(names.map { ["name": .string($0)] })]
            ).expecting(201)
            for name in names + ["large"] {
                _ = try primary.delete("/v1/namespaces/\(name)").expecting(200)
            }
        }
        for node in cluster.nodes {
            let ended = try poll(within: .seconds(60), for: "a reclaim at \(node.name)") {
                try reclaims(node).first { $0["state"] == "succeeded" }
            }
            #expect(ended["node"]?.stringValue == node.name)
            #expect(ended["node_local"] == true)
            #expect(ended["progress"]?["unit"] == "bytes")
            let bytes = try #require(ended["result"]?["reclaimed_bytes"]?.numberValue)
            #expect(bytes > 16e6)
            #expect(ended["progress"]?["done"]?.numberValue ?? 0 >= bytes)
            #expect(ended["progress"]?["done"] == ended["progress"]?["total"])
            #expect(ended["steps"]?.arrayValue?.map { $0["state"] } == ["succeeded"])
            // The files that a compaction leaves go when nobody reads them any more.
            try poll(within: .seconds(20), for: "it is back on the disk of \(node.name)") {
                try databaseBytes(node) < 12 << 20 ? true : nil
            }
            let id = try #require(ended["id"]?.stringValue)
            // Whoever asks another node is told, once that one has its answer within a second.
            for other in cluster.nodes {
                try poll(within: .seconds(20), for: "\(other.name) tells of it") {
                    let told = try other.client.get("/v1/operations/\(id)")
                    return told["state"] == "succeeded" ? true : nil
                }
            }
            #expect(try node.client.post("/v1/operations/\(id)/cancel").status != 200)
        }
        #expect(try cluster[1].client.get(Path.key("stays")).body == [1])
    }

    @Test(.timeLimit(.minutes(4)))
    func `a namespace that is flushed all the time makes no more than a few operations`() throws {
        let client = try TestCluster().primary.client
        var random = SeededRandom(seed: 12)
        let value = random.bytes(256 << 10)
        let start = MonotonicTime.now()
        var flushes = 0
        while MonotonicTime.now() - start < .seconds(5) || flushes <= 20 {
            for number in 0..<8 { _ = try client.put(Path.key("k\(number)"), value) }
            _ = try client.post("/v1/namespaces/default/flush").expecting(200)
            flushes += 1
            rest(.milliseconds(10))
        }
        let all = try client.list("/v1/operations").filter { $0["type"] == "reclaim" }
        // Each second one may begin.
        let most = 3 + Int((MonotonicTime.now() - start).inSeconds)
        #expect(all.count <= most, "one runs at a time: \(all.count) of \(flushes) flushes")
        #expect(all.count < flushes)
        #expect(all.count { $0["state"] == "running" } <= 1)
    }
}
