import ClusterKit
import JSON
import Platform
import Testing

/// What has happened, as a list and as it happens.
@Suite(.cluster) struct EventTests {
    @Test(.timeLimit(.minutes(3)))
    func `every change of namespaces is told in the order of the log, on every node`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let streams = try cluster.nodes.map { try EventReader($0.client) }
        _ = try client.createNamespace("aa")
        let change: JSONValue = ["quota_keys": 7]
        _ = try client.ask("PATCH", "/v1/namespaces/aa", json: change).expecting(200)
        _ = try client.post("/v1/namespaces/aa/flush").expecting(200)
        _ = try client.delete("/v1/namespaces/aa").expecting(200)
        for stream in streams {
            let events = try stream.take(4, kind: "namespace")
            #expect(
                events.map { $0["what"]?.stringValue } == [
                    "created", "changed", "flushed", "removed",
                ])
            #expect(events.allSatisfy { $0["subject"] == "aa" })
            #expect(events.allSatisfy { !"\($0)".contains("cvy_") }, "no token")
        }
        let listed = try client.list("/v1/events?kind=namespace", pageSize: 2)
        #expect(listed.suffix(4) == streams[0].events.filter { $0["kind"] == "namespace" }[...])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that is taken in, dies, and comes back is told from begin to end`() throws {
        let cluster = try TestCluster()
        let stream = try EventReader(cluster.primary.client)
        let replica = try cluster.addReplica()
        let operation = try stream.take(1, kind: "operation", "begun")[0]
        #expect(operation["data"]?["type"] == "add-node")
        #expect(operation["data"]?["subject"] == "n2")
        let topology = try stream.take(1, kind: "topology")[0]
        #expect(topology["data"]?["added"] == ["n2"])
        let ended = try stream.take(1, kind: "operation", "ended")[0]
        #expect(ended["subject"] == operation["subject"])
        #expect(ended["data"]?["state"] == "succeeded")
        #expect(try stream.take(1, kind: "link", "opened")[0]["subject"] == "n2")
        let synced = try stream.take(1, kind: "link", "full-sync-finished")[0]
        #expect(synced["data"]?["reason"] == "empty")

        replica.kill()
        let gone = try stream.take(1, kind: "node", "unreachable")[0]
        #expect(gone["subject"] == "n2")
        #expect(try stream.take(1, kind: "link", "closed")[0]["subject"] == "n2")
        try replica.start()
        let back = try stream.take(1, kind: "node", "reachable", after: gone)[0]
        #expect(back["subject"] == "n2")
    }

    @Test(.timeLimit(.minutes(3)))
    func `whoever comes back with the last id gets what it missed, once`() throws {
        let client = try TestCluster().primary.client
        let first = try EventReader(client)
        _ = try client.createNamespace("aa")
        let last = try first.take(1, kind: "namespace")[0]
        first.close()
        for name in ["bb", "cc"] { _ = try client.createNamespace(name) }
        let id = try #require(last["id"]?.stringValue)
        let second = try EventReader(client, lastEventID: id)
        #expect(
            try second.take(2, kind: "namespace").map { $0["subject"]?.stringValue } == [
                "bb", "cc",
            ])
        let listed = try client.get(
            "/v1/events?kind=namespace", headers: [("Last-Event-ID", id)]
        ).expecting(200)
        #expect(listed["items"]?.arrayValue?.map { $0["subject"]?.stringValue } == ["bb", "cc"])
        #expect(listed["next_page_token"] == .null)
    }

    @Test(.timeLimit(.minutes(3)))
    func `an id of another node or of an earlier run is gone, and one that is none is refused`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        func lastID(_ client: TestClient) throws -> String {
            let last = try client.list("/v1/events").last
            return try #require(last?["id"]?.stringValue)
        }
        let (own, other) = (try lastID(client), try lastID(cluster[1].client))
        let stream = ("Accept", "text/event-stream")
        for headers in [[("Last-Event-ID", other)], [("Last-Event-ID", other), stream]] {
            let answer = try client.get("/v1/events", headers: headers)
            #expect(answer.status == 410 && answer.problem == "events-gone", "\(answer)")
        }
        #expect(try client.get("/v1/events", headers: [("Last-Event-ID", own)]).status == 200)
        #expect(try client.get("/v1/events", headers: [("Last-Event-ID", "17")]).status == 400)
        try cluster.primary.stop()
        try cluster.primary.start()
        let after = try client.get("/v1/events", headers: [("Last-Event-ID", own), stream])
        #expect(after.status == 410 && after.problem == "events-gone", "\(after)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a page of another site gets no events`() throws {
        let client = try TestCluster().primary.client
        for header in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
            for accept in ["text/event-stream", "application/json"] {
                let answer = try client.get("/v1/events", headers: [header, ("Accept", accept)])
                #expect(answer.status == 403 && answer.problem == "bad-origin", "\(answer)")
            }
        }
        let own = [("Origin", client.base), ("Sec-Fetch-Site", "same-origin")]
        #expect(try client.get("/v1/events", headers: own).status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a quiet stream beats, and comes to its end in order when the node stops`() throws {
        let cluster = try TestCluster()
        let stream = try EventReader(cluster.primary.client)
        try poll(within: .seconds(30), for: "a beat") { stream.beats > 0 ? true : nil }
        try cluster.primary.stop()
        #expect(try stream.end() == .complete)
        #expect(stream.events.last?["what"] == "stopping")
    }

    @Test(.timeLimit(.minutes(4)))
    func `a client that takes nothing is told that it has missed something, and slows nobody`()
        throws
    {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        _ = try client.createNamespace("aa")
        let quick = try EventReader(client)
        let slow = try HeldRequest(
            "/v1/events", at: cluster.primary.port, headers: [("Accept", "text/event-stream")],
            receiveBytes: 2_048)
        // More than are kept, and what lies in the connection besides; but no more at once than the
        // quick one may fall behind.
        let (count, part) = (6_000, 500)
        for first in stride(from: 0, to: count, by: part) {
            try Parallel.run(8) { worker in
                for number in stride(from: first + worker, to: first + part, by: 8) {
                    let change: JSONValue = ["quota_keys": .integer(Int64(number))]
                    _ = try client.ask("PATCH", "/v1/namespaces/aa", json: change).expecting(200)
                }
            }
            try poll(within: .seconds(40), for: "the quick one has what there is") {
                quick.events.count >= first + part - 1 ? true : nil
            }
        }
        #expect(try quick.take(count - 1, kind: "namespace", "changed").count == count - 1)
        #expect(quick.resets == 0)
        let text = slow.received(until: "event: reset")
        #expect(text.contains("event: reset"), "\(text.suffix(300))")
        #expect(text.contains("\"changed\""), "and some events before it")
        try poll(within: .seconds(20), for: "its place is free") {
            let metrics = Exposition(try client.get("/metrics").text)
            return metrics.value("convoy_event_streams") == 1 ? true : nil
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `there are so many streams and no more, and each that closes makes room`() throws {
        let client = try TestCluster().primary.client
        let streams = try (0..<256).map { _ in try EventReader(client) }
        let accept = [("Accept", "text/event-stream")]
        let refused = try client.get("/v1/events", headers: accept)
        #expect(refused.status == 429 && refused.problem == "too-many-requests", "\(refused)")
        #expect(refused.header("Retry-After") != nil)
        _ = try client.createNamespace("aa")
        for stream in streams { #expect(try stream.take(1, kind: "namespace").count == 1) }
        for stream in streams { stream.close() }
        try poll(within: .seconds(20), for: "room again") {
            let reader = try? EventReader(client)
            reader?.close()
            return reader == nil ? nil : true
        }
    }
}
