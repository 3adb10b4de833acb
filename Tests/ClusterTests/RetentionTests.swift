import ClusterKit
import JSON
import Platform
import Testing

/// How long the log is kept for a replica that does not take it, and what is said of it.
@Suite(.cluster) struct RetentionTests {
    static let limit = 1 << 20
    static let flags = [
        "--log-segment-bytes", "65536", "--log-retention-bytes", "65536",
        "--log-retention-max-bytes", "\(limit)",
    ]

    private func write(_ numbers: Range<Int>, to node: ConvoyProcess) throws {
        for number in numbers {
            let value = SeededRandom.block(number, 16 << 10)
            _ = try node.client.put(Path.key("k\(number)"), value).expecting(201)
        }
    }

    private func retention(_ client: TestClient, of name: String) throws -> JSONValue {
        let items = try client.get("/v1/links").expecting(200)["retention"]?.arrayValue ?? []
        let found = items.first { $0["replica"]?.stringValue == name }
        return try #require(found)
    }

    /// Blocks until a replica has said that it has all of the log.
    private func waitUntilNothingIsMissing(_ name: String, at client: TestClient) throws {
        try poll(within: .seconds(20), for: "\(name) has everything") {
            try retention(client, of: name)["bytes_behind"] == 0 ? true : nil
        }
    }

    /// What is wrong with n2's place in the log, by the word of a node.
    private func alarm(at client: TestClient) throws -> JSONValue? {
        let alarms = try client.get("/v1/sync").expecting(200)["alarms"]?.arrayValue ?? []
        return alarms.first { $0["node"] == "n2" && $0["code"] == "position-not-retained" }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a replica that the log leaves behind is said to need a full sync, and why`() throws {
        let cluster = try TestCluster(nodes: 3, flags: RetentionTests.flags)
        let (primary, replica, other) = (cluster[0], cluster[1], cluster[2].client)
        try write(0..<4, to: primary)
        try primary.client.waitUntilInSync()
        let well = try retention(primary.client, of: "n2")
        #expect(well["full_sync_needed"] == .null)
        #expect(well["max_bytes"]?.integerValue == Int64(RetentionTests.limit))
        #expect(well["headroom_seconds"]?.numberValue ?? 0 > 0, "it is being written to")
        #expect(try alarm(at: primary.client) == nil)

        // Half of what is kept: time is left, and the view says how much.
        try replica.stop()
        let stood = try #require(try primary.client.node("n2").json["retention"]?["acked_index"])
        try write(4..<34, to: primary)
        let half = try primary.client.node("n2").json["retention"]
        #expect(half?["acked_index"] == stood)
        #expect(half?["bytes_behind"]?.integerValue ?? 0 > 26 * (16 << 10))
        #expect(half?["headroom_seconds"]?.numberValue ?? 0 > 0)
        #expect(half?["full_sync_needed"] == .null)
        #expect(try alarm(at: primary.client) == nil)

        // More than three quarters: it is near.
        try write(34..<56, to: primary)
        let near = try poll(within: .seconds(20), for: "the alarm that it is near") {
            try alarm(at: primary.client)
        }
        #expect(near["detail"]?.stringValue?.contains("unless it catches up") == true)
        #expect(try retention(primary.client, of: "n2")["full_sync_needed"] == .null)

        // Beyond the limit: the log goes on without it, once what it has is on disk otherwise.
        try write(56..<160, to: primary)
        let lost = try poll(within: .seconds(30), for: "it needs a full sync") {
            () throws -> JSONValue? in
            let item = try retention(primary.client, of: "n2")
            guard item["full_sync_needed"] == "position-not-retained" else { return nil }
            return item
        }
        #expect(lost["headroom_seconds"]?.numberValue == 0)
        #expect(lost["acked_index"] == stood)
        let worse = try poll(within: .seconds(20), for: "the alarm says so") {
            () throws -> JSONValue? in
            let alarms = try primary.client.node("n2").json["alarms"]?.arrayValue ?? []
            let alarm = alarms.first { $0["code"] == "position-not-retained" }
            return alarm?["detail"]?.stringValue?.contains("it needs a full sync") == true
                ? alarm : nil
        }
        #expect(worse["since"] == near["since"], "one alarm that got worse")
        // With what it says now: the log may have been shortened further.
        try poll(within: .seconds(20), for: "who has no link with it says so, too") {
            let detail = try alarm(at: primary.client)?["detail"]
            return try detail != nil && alarm(at: other)?["detail"] == detail ? true : nil
        }
        let sync = try primary.client.get("/v1/sync").expecting(200).json
        #expect(sync["in_sync"] == false)
        // Shortened once a second.
        let log = try poll(within: .seconds(20), for: "the log is as short as it may be") {
            () throws -> JSONValue? in
            let log = try primary.client.get("/v1/sync").expecting(200)["log"]
            let bytes = log?["bytes"]?.integerValue ?? .max
            return bytes < Int64(RetentionTests.limit) + 4 * 65536 ? log : nil
        }
        print(
            "the log of \(log["bytes"] ?? .null) bytes begins with \(log["first_index"] ?? .null)")

        try replica.start(until: .alive)
        try primary.client.waitUntilInSync()
        let view = try replica.client.node()
        #expect(view.fullSyncs == 2)
        #expect(view.lastFullSyncReason == "position-not-retained")
        try poll(within: .seconds(20), for: "the alarm ends") {
            try primary.client.node("n2").json["alarms"] == [] ? true : nil
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(5)))
    func `within the limit the log waits for a replica, beside one that is in sync`() throws {
        let cluster = try TestCluster(nodes: 3, flags: RetentionTests.flags)
        let (primary, replica) = (cluster[0], cluster[1])
        try replica.stop()
        try write(0..<40, to: primary)
        rest(.seconds(3))  // So often the log was shortened as far as it may be.
        let waiting = try retention(primary.client, of: "n2")
        #expect(waiting["full_sync_needed"] == .null)
        #expect(waiting["bytes_behind"]?.integerValue ?? 0 > 36 * (16 << 10))
        try waitUntilNothingIsMissing("n3", at: primary.client)
        try replica.start()
        try primary.client.waitUntilInSync()
        #expect(try replica.client.node().fullSyncs == 1)
        try waitUntilNothingIsMissing("n2", at: primary.client)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}
