// Symptom (kvrocks#2618, #2841, #3497; controller#395): a replica is removed, and goes on replicating;
// it has to hear of its removal itself, and a message that is lost is not repeated.

import ClusterKit
import JSON
import Platform
import Testing

/// Test C: what is configured is what runs, at both ends.
@Suite(.cluster) struct RemovedReplicaTests {
    /// Two seconds, as INCIDENTS.md has it; more on a machine that does other things too.
    private static let soon: Duration = .seconds(isFullRun ? 2 : 20)

    /// Test C, step 1.
    @Test(.timeLimit(.minutes(4)))
    func `a removed replica is shown nowhere, has no socket, and moves no more`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, stays, removed) = (cluster.primary, cluster[1], cluster[2])
        _ = try primary.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try poll(within: .seconds(20), for: "what is counted below is counted") {
            try primary.connections(with: removed) > 0 ? true : nil
        }
        let linkOfOther = try LinkIdentity.wait(from: "n1", to: "n2", at: [primary, stays])

        let start = MonotonicTime.now()
        _ = try primary.client.delete("/v1/nodes/n3").expecting(200)
        try removed.client.waitUntilState("detached")
        try poll(within: Self.soon, for: "no link with n3 runs at either end") {
            try primary.client.link(from: "n1", to: "n3") == nil
                && removed.client.links().isEmpty ? true : nil
        }
        for path in ["/v1/nodes", "/v1/sync", "/v1/links", "/v1/topology", "/v1/topology/drift"] {
            for node in [primary, stays] {
                try poll(within: Self.soon, for: "\(node.name) shows n3 nowhere in \(path)") {
                    try node.client.get(path).expecting(200).text.contains("\"n3\"") ? nil : true
                }
            }
        }
        try poll(within: Self.soon, for: "no socket is left between them") {
            try primary.connections(with: removed) == 0 ? true : nil
        }
        let took = MonotonicTime.now() - start
        print("removed, shown nowhere and without a socket after \(took)")
        #expect(took < Self.soon)

        let stoodAt = try removed.client.node().position
        for number in 0..<100 {
            _ = try primary.client.put(Path.key("w\(number)"), [3]).expecting(201)
        }
        try primary.client.waitUntilInSync()
        let view = try removed.client.node()
        #expect(view.position == stoodAt)
        #expect(view.state == "detached")
        #expect(try removed.client.get(Path.key("w99")).status == 404)
        try poll(within: Self.soon, for: "no socket is left between n2 and n3") {
            try stays.connections(with: removed) == 0 ? true : nil
        }
        let later = try LinkIdentity.wait(from: "n1", to: "n2", at: [primary, stays])
        if try !wasSilent(to: "n2", at: [primary, stays]) {
            #expect(later == linkOfOther, "n2 never noticed")
        }
        #expect(try KeyComparison([primary, stays]).differences == [])
    }

    /// Test C, step 2: R2 is cut off while it is removed.
    @Test(.timeLimit(.minutes(4)))
    func `a replica that was cut off while it was removed is refused when it is back`() throws {
        let cluster = try TestCluster(empty: [])
        let (primary, toPrimary) = try cluster.makeNodeBehindProxy()
        try primary.start()
        let (removed, toRemoved) = try cluster.makeNodeBehindProxy()
        try cluster.takeIn(try cluster.start(removed))
        _ = try primary.client.put(Path.key("before"), [1]).expecting(201)
        let stoodAt = try KeyComparison.waitForOnePosition(cluster.nodes)

        toPrimary.conduct = .frozen
        toRemoved.conduct = .frozen
        let answer = try LatencyProbe.time {
            try primary.client.delete("/v1/nodes/n2").expecting(200)
        }
        // Who waits for it waits until it is reached again, or ten seconds.
        #expect(
            answer.took < .milliseconds(isFullRun ? 500 : 8_000),
            "a removal never waits for the node")
        try poll(within: .seconds(20), for: "the primary has no link with n2") {
            try primary.client.link(from: "n1", to: "n2") == nil ? true : nil
        }
        for number in 0..<20 { _ = try primary.client.put(Path.key("w\(number)"), [3]) }
        try poll(within: .seconds(20), for: "n2 knows that it hears nothing") {
            try removed.client.node().state == "streaming" ? nil : true
        }
        #expect(try removed.client.node().state != "detached", "nobody has told it")

        toPrimary.conduct = .healthy
        toRemoved.conduct = .healthy
        try removed.client.waitUntilState("detached")
        let generation = try primary.client.get("/v1/topology")["generation"]?.integerValue ?? 0
        let view = try poll(within: .seconds(20), for: "it says which generation removed it") {
            let view = try removed.client.node()
            let reason = view.lastError ?? ""
            return reason.contains("not-in-topology") && reason.contains("generation \(generation)")
                ? view : nil
        }
        #expect(view.position == stoodAt)
        #expect(try removed.client.get(Path.key("w1")).status == 404)
        #expect(try primary.client.link(from: "n1", to: "n2") == nil)
    }

    /// Test C, step 2: what P answers to a node that it has removed, and that does not know it.
    @Test(.timeLimit(.minutes(4)))
    func `a removed replica that asks again is told the generation that removed it`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, removed) = (cluster.primary, cluster[1])
        let position = try KeyComparison.waitForOnePosition(cluster.nodes)
        let lineage = try #require(
            removed.client.get(
                "/replication/topology", headers: [("Convoy-Node-Name", "probe")]
            ).header("Convoy-Lineage"))
        removed.pause()
        _ = try primary.client.delete("/v1/nodes/n2").expecting(200)
        let answer = try primary.client.get(
            "/replication/log?after=\(position.index)&hash=\(position.hash)",
            headers: [
                ("Convoy-Lineage", lineage), ("Convoy-Node", "2"), ("Convoy-Node-Name", "n2"),
                ("Convoy-Session", "0123456789abcdef"),
            ])
        #expect(answer.status == 403, "\(answer)")
        #expect(answer.problem == "not-in-topology")
        let generation = try primary.client.get("/v1/topology")["generation"]
        #expect(answer["generation"] == generation, "\(answer)")
        removed.resume()
        try removed.client.waitUntilState("detached")
    }

    /// Test C, step 3.
    @Test(.timeLimit(.minutes(4)))
    func `the same document again restarts nothing and an older one is refused`() throws {
        let cluster = try TestCluster(nodes: 3)
        let client = cluster.primary.client
        let links = try ["n2", "n3"].map {
            try LinkIdentity.wait(from: "n1", to: $0, at: cluster.nodes)
        }
        let got = try client.get("/v1/topology")
        let etag = try #require(got.etag)
        let document = try #require(got.json.objectValue)
        func put(_ document: JSONObject, _ headers: [(String, String)]) throws -> TestAnswer {
            try client.ask("PUT", "/v1/topology", json: .object(document), headers: headers)
        }
        for left in [[], ["generation", "term", "changed_at", "changed_by", "reason"]] {
            var same = document
            for name in left { same[name] = nil }
            for _ in 0..<3 {
                let answer = try put(same, [("If-Match", etag)])
                #expect(answer.status == 200, "\(answer)")
                #expect(answer.etag == etag)
                #expect(answer["generation"] == document["generation"])
            }
        }
        let without = try put(document, [])
        #expect(without.status == 428, "\(without)")

        let generation = try #require(document["generation"]?.integerValue)
        var older = document
        older["generation"] = JSONValue(generation - 1)
        let refused = try put(older, [("If-Match", etag)])
        #expect([409, 412].contains(refused.status), "\(refused)")

        // Two that make another document of the same one: the second has not seen the first.
        var other = document
        other["generation"] = nil
        other["min_in_sync_replicas"] = 1
        let first = try put(other, [("If-Match", etag)])
        #expect(first.status == 200, "\(first)")
        other["min_in_sync_replicas"] = 2
        let second = try put(other, [("If-Match", etag)])
        #expect(second.status == 412, "\(second)")
        let back = try put(document, [("If-Match", try #require(first.etag))])
        #expect([409, 412].contains(back.status), "an older generation: \(back)")

        try client.waitUntilInSync()
        #expect(try client.get("/v1/topology")["min_in_sync_replicas"] == 1)
        for (place, link) in links.enumerated() {
            let replica = cluster[place + 1]
            let later = try LinkIdentity.wait(from: "n1", to: replica.name, at: cluster.nodes)
            if try !wasSilent(to: replica.name, at: [cluster.primary, replica]) {
                #expect(later == link, "no link was begun anew")
            }
        }
    }

    /// Whether a link was silent for seconds, by the word of its ends, as on a machine that stands
    /// still: then it begins anew by itself.
    private func wasSilent(to replica: String, at ends: [ConvoyProcess]) throws -> Bool {
        try ends.contains { node in
            let events = try node.client.list("/v1/events?kind=link")
            return events.contains { event in
                let link = event["data"]
                return link?["replica"]?.stringValue == replica && link?["state"] == "stalled"
            }
        }
    }

    /// Test C, step 4: the replica's disk is read-only, where its states are, or as a whole.
    @Test(
        .enabled(if: ReadOnlyDirectory.isPossible, "this system lets nobody mount"),
        .timeLimit(.minutes(4)), arguments: ["/data", ""])
    func `a replica whose disk is read-only attaches when it can be written to`(
        below: String
    ) throws {
        let cluster = try TestCluster()
        let primary = cluster.primary
        _ = try primary.client.createNamespace("tenant")
        _ = try primary.client.put(Path.key("k", in: "tenant"), [1]).expecting(201)
        let replica = try cluster.start(cluster.makeNode())
        let disk = try ReadOnlyDirectory(replica.dataPath + below)
        let operation = try cluster.beginTakingIn(replica)
        let seen = try poll(within: .seconds(30), for: "it says why it cannot be taken in") {
            let seen = try primary.client.node("n2")
            let words = seen.lastError ?? ""
            return words.contains("ead-only") || words.contains("denied") ? seen : nil
        }
        print("a read-only disk: \(seen.state ?? "?") \(seen.lastError ?? "?")")
        rest(.seconds(2))
        #expect(replica.isRunning, "\(replica.errorsTail())")
        #expect(try primary.client.get("/v1/sync")["in_sync"] == false)
        // With a state directory that takes nothing a link runs, again and again: that is no drift.
        if below.isEmpty {
            #expect(try primary.client.get("/v1/topology/drift")["converged"] == false)
        }

        try disk.end()
        try primary.client.waitUntilDone(operation)
        try primary.client.waitUntilInSync()
        #expect(try primary.client.get("/v1/topology/drift").json["items"] == [])
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }
}

/// By what a link can be told from the one that comes after it.
private struct LinkIdentity: Equatable {
    let ids: Set<String>
    let since: [String]

    /// Once it runs.
    static func wait(
        from source: String, to replica: String, at nodes: [ConvoyProcess]
    ) throws -> LinkIdentity {
        try poll(within: .seconds(20), for: "a link from \(source) to \(replica)") {
            try? LinkIdentity(from: source, to: replica, at: nodes)
        }
    }

    /// As the nodes show it that are its ends.
    init(from source: String, to replica: String, at nodes: [ConvoyProcess]) throws {
        let links = try nodes.compactMap { try $0.client.link(from: source, to: replica) }
        ids = Set(links.compactMap { $0["id"]?.stringValue })
        since = links.compactMap { $0["since"]?.stringValue }
        guard links.count == 2, ids.count == 1, since.count == 2 else {
            throw ClusterFailure("not two ends of a link from \(source) to \(replica): \(links)")
        }
    }
}
