import ClusterKit
import JSON
import Platform
import Testing

/// Test E, step 6: a flush costs as little for many keys as for one, and its space comes back.
@Suite(.cluster) struct LargeFlushTests {
    /// Test E, step 6.
    @Test(.timeLimit(.minutes(30)))
    func `a flush of many keys is as fast as one of a few, and gives their space back`() throws {
        // So little of unflushed log that few keys are written to files, too.
        let flags = ["--log-retention-bytes", "1048576", "--log-retention-max-bytes", "1048576"]
        let cluster = try TestCluster(nodes: 2, flags: isFullRun ? [] : flags)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        _ = try primary.createNamespace("large")
        _ = try primary.createNamespace("small")
        _ = try primary.put(Path.key("stays"), [1]).expecting(201)
        let count = isFullRun ? 10_000_000 : 100_000
        // A debug build, and a machine that does other things too, are given more.
        let hereMax: Duration = isFullRun ? .milliseconds(10) : .milliseconds(50)
        let thereMax: Duration = .milliseconds(150)
        var many = (here: Duration.zero, there: Duration.zero)
        var before: [Double] = []
        // The best of three: such a machine may hold up any one of them.
        for _ in 0..<3 {
            let loaded = try LatencyProbe.time { try load(count, primary) }
            try primary.waitUntilInSync(within: 120)
            if !isFullRun {
                rest(.seconds(2))
                try primary.waitUntilInSync(within: 60)
            }
            let few = try [0, 1, 2].map { _ in try flush("small", primary, replica) }
            let shown = try replica.get("/v1/namespaces/large")["keys"]
            #expect(shown?.integerValue == Int64(count))
            before = try [primary, replica].map { try reclaimed($0).done }

            many = try flush("large", primary, replica)
            print(
                "\(count) keys, loaded in \(loaded.took): flush answered in \(many.here), on the replica after \(many.there); of an empty namespace \(few.map(\.here)), \(few.map(\.there))"
            )
            if many.here < hereMax && many.there < thereMax { break }
        }
        #expect(many.here < hereMax)
        #expect(many.there < thereMax, "with the wait's own way there and back")
        for client in [primary, replica] {
            let shown = try client.get("/v1/namespaces/large")
            #expect(shown["keys"] == 0)
            #expect(shown["bytes"] == 0)
            #expect(try client.listKeys(in: "large").isEmpty)
            #expect(try client.get(Path.key("key-7", in: "large")).status == 404)
            #expect(try client.get(Path.key("stays")).body == [1])
        }

        let start = MonotonicTime.now()
        for (client, done) in zip([primary, replica], before) {
            try poll(within: .seconds(isFullRun ? 300 : 60), for: "the space has come back") {
                let now = try reclaimed(client)
                return now.pending == 0 && now.done > done ? true : nil
            }
            print("given back: \(Int(try reclaimed(client).done - done) >> 10) KiB")
        }
        print("all of it within \(MonotonicTime.now() - start)")
        _ = try primary.put(Path.key("after", in: "large"), [2]).expecting(201)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        for node in cluster.nodes {
            #expect(try node.stop() == .exited(0))
            let check = try CommandRun(
                ConvoyBinary.path(), ["check", node.dataPath], within: .seconds(300))
            #expect(check.exitCode == 0, "\(check.text) \(check.errors)")
        }
    }

    /// Puts the requests together as text: so many values would keep this process busy for longer
    /// than the nodes.
    private func load(_ count: Int, _ primary: TestClient) throws {
        let batch = 10_000
        try Parallel.run(2, within: .seconds(1500)) { number in
            for start in stride(from: number * batch, to: count, by: 2 * batch) {
                var text = #"{"operations":["#
                for key in start..<start + batch {
                    let value = String(UInt64(key) &* 0x9E37_79B9_7F4A_7C15, radix: 36)
                    text += key == start ? "" : ","
                    text += "{\"op\":\"put\",\"key\":\"key-\(key)\",\"value\":\"\(value)\"}"
                }
                _ = try primary.ask(
                    "POST", "/v1/namespaces/large/batch", body: Array((text + "]}").utf8),
                    headers: [("Content-Type", "application/json")], waiting: .seconds(120)
                ).expecting(200)
            }
        }
    }

    /// How long the answer took, and how long until the replica had it.
    private func flush(
        _ namespace: String, _ primary: TestClient, _ replica: TestClient
    ) throws -> (here: Duration, there: Duration) {
        let start = MonotonicTime.now()
        let flushed = try primary.post("/v1/namespaces/\(namespace)/flush").expecting(200)
        let here = MonotonicTime.now() - start
        try replica.waitUntilApplied(try #require(PositionView(flushed["position"])?.index))
        return (here, MonotonicTime.now() - start)
    }

    private func reclaimed(_ client: TestClient) throws -> (pending: Double, done: Double) {
        let lines = try client.get("/metrics").expecting(200).text.split(separator: "\n")
        func value(_ name: String) throws -> Double {
            let line = lines.first { $0.hasPrefix(name + " ") }
            return try #require(line.flatMap { Double($0.dropFirst(name.count + 1)) }, "\(name)")
        }
        return (
            try value("convoy_reclaim_pending_bytes"), try value("convoy_reclaimed_bytes_total")
        )
    }
}
