import ClusterKit
import JSON
import Testing

/// Operations end truthfully, and any node may be asked about them.
@Suite(.cluster) struct OperationTests {
    private func steps(_ operation: JSONValue) -> [String] {
        operation["steps"]?.arrayValue?.compactMap { $0["state"]?.stringValue } ?? []
    }

    private func begin(_ path: String, _ body: JSONValue, at client: TestClient) throws -> String {
        try #require(client.post(path, body).expecting(202)["id"]?.stringValue)
    }

    /// What a node says that may have to ask the others first: they have a second to answer, which
    /// is too short at times on a busy machine.
    private func known(_ path: String, at client: TestClient) throws -> TestAnswer {
        try poll(within: .seconds(30), for: "\(path) is known") {
            let answer = try client.ask("GET", path, waiting: .seconds(20))
            return answer.status == 404 ? nil : answer
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a cancelled switchover shows what was never begun, at every node`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, heir) = (cluster[0], cluster[1])
        let id = try cluster.beginSwitchover(toPaused: heir, timeout: 20_000)
        _ = try primary.client.post("/v1/operations/\(id)/cancel").expecting(202)
        let ended = try poll(within: .seconds(20), for: "it is cancelled") { () -> JSONValue? in
            let operation = try primary.client.get("/v1/operations/\(id)").expecting(200)
            return operation["state"] == "cancelled" ? .some(operation.json) : .none
        }
        #expect(steps(ended) == ["succeeded", "cancelled", "skipped", "skipped", "skipped"])
        heir.resume()
        try primary.client.waitUntilInSync()
        let elsewhere = try heir.client.get("/v1/operations/\(id)").expecting(200)
        #expect(steps(elsewhere.json) == steps(ended))
    }

    @Test(.timeLimit(.minutes(4)))
    func `how far an operation has come is shown at every node, with the time of it`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, slow, other) = (cluster[0].client, cluster[1], cluster[2].client)
        try primary.load(
            (0..<400).map { (key: "k\($0)", value: SeededRandom.block($0, 1_000)) },
            into: "default")
        try primary.waitUntilInSync()
        _ = try slow.client.limitFullSync(10_000).expecting(200)
        let id = try begin("/v1/nodes/n2/resync", [:], at: primary)
        for client in [primary, other] {
            let told = try poll(within: .seconds(20), for: "its progress is shown") {
                let told = try client.get("/v1/operations/\(id)")
                return told["progress"]?["done"]?.integerValue.map { $0 > 0 } == true ? told : nil
            }
            #expect(steps(told.json) == ["succeeded", "running"], "\(told)")
            #expect(told["observed_at"]?.stringValue != nil)
            #expect(told["steps"]?[1]?["started_at"]?.stringValue != nil, "\(told)")
        }
        _ = try slow.client.limitFullSync(nil).expecting(200)
        try primary.waitUntilDone(id)
    }

    @Test(.timeLimit(.minutes(4)))
    func `a failover that came to nothing is told of by any node, with each rule`() throws {
        let isShown = try (0..<5).contains { _ in try failoverComesToNothing() }
        #expect(isShown, "it never begins, or it never looks in time")
    }

    /// False when it was, on a busy machine, refused at once, or looked at nobody in time: for both
    /// there is half a second.
    private func failoverComesToNothing() throws -> Bool {
        let cluster = try TestCluster(nodes: 3)
        let candidate = cluster[1].client
        // They were there a moment ago, so it begins; then nobody answers.
        for node in [cluster[0], cluster[2]] { node.pause() }
        let begun = try candidate.failOver(to: "n2").expecting(202, 409)
        guard let id = begun["id"]?.stringValue else {
            #expect(begun.problem == "data-loss-possible", "\(begun)")
            for node in cluster.nodes { node.kill() }
            return false
        }
        let ended = try candidate.ask(
            "GET", "/v1/operations/\(id)?wait=done&timeout=20s", waiting: .seconds(20))
        if steps(ended["current"] ?? .null).prefix(2) == ["succeeded", "failed"] {
            #expect(ended["current"]?["error"]?["code"] == "data-loss-possible", "\(ended)")
            for node in cluster.nodes { node.kill() }
            return false
        }
        for node in [cluster[0], cluster[2]] { node.resume() }
        #expect(ended.problem == "operation-failed", "\(ended)")
        let error = ended["current"]?["error"]
        #expect(error?["code"] == "data-loss-possible", "\(ended)")
        let veto = error?["vetoes"]?.arrayValue?.first
        #expect(veto?["code"] == "data-loss-possible")
        #expect(
            veto?["evidence"]?.arrayValue?.map { $0["name"]?.stringValue }.prefix(2)
                == ["promises", "promises_needed"], "\(ended)")
        #expect(
            steps(ended["current"] ?? .null) == [
                "failed", "skipped", "skipped", "skipped", "skipped",
            ])
        for node in [cluster[0], cluster[2]] {
            let told = try known("/v1/operations/\(id)", at: node.client).expecting(200)
            #expect(told["state"] == "failed", "\(told)")
            let waited = try known(
                "/v1/operations/\(id)?wait=done&timeout=5s", at: node.client)
            #expect(waited.problem == "operation-failed", "\(waited)")
            #expect(try node.client.get("/v1/operations/op_never").status == 404)
            #expect(try node.client.get("/v1/nodes/never").status == 404)
        }
        try cluster.primary.client.waitUntilInSync()
        #expect(try cluster.primary.client.node().role == "primary")
        return true
    }

    @Test(.timeLimit(.minutes(4)))
    func `a replica whose stream hangs tells of an operation that its primary has begun`() throws {
        let cluster = try TestCluster(nodes: 1)
        let primary = cluster[0]
        let replica = try cluster.addReplica()
        // A claim of a node that is not there: it follows nobody, and is behind from here on.
        let ghost = try cluster.makeNode(name: "ghost")
        _ = try primary.client.changeTopology { document in
            document["nodes"] = .array(
                (document["nodes"]?.arrayValue ?? []) + [
                    ["name": "ghost", "address": .string(ghost.address)]
                ])
        }
        try primary.client.waitUntilInSync()
        _ = try replica.client.claim("ghost").expecting(200)
        try poll(within: .seconds(20), for: "it follows nobody") {
            try replica.client.node().state == "backoff" ? true : nil
        }
        let third = try cluster.start(cluster.makeNode(name: "late"))
        let id = try cluster.beginTakingIn(third)
        let told = try known("/v1/operations/\(id)", at: replica.client)
        #expect(told.status == 200, "\(told)")
        #expect(told["id"]?.stringValue == id)
        let waited = try known(
            "/v1/operations/\(id)?wait=done&timeout=20s", at: replica.client)
        #expect(waited.status == 200, "\(waited)")
        #expect(waited["state"] == "succeeded")
        let node = try known("/v1/nodes/late", at: replica.client)
        #expect(node.status == 200, "\(node)")
    }

    @Test(.timeLimit(.minutes(4)))
    func `a failover whose candidate was killed has failed, and the candidate says so`() throws {
        let isShown = try (0..<5).contains { _ in try candidateDies() }
        #expect(isShown, "the candidate reigns before it dies")
    }

    /// False when the candidate, on a busy machine, died after the half second in which it waits
    /// for a promise.
    private func candidateDies() throws -> Bool {
        let cluster = try TestCluster(nodes: 2)
        let (node, proxy) = try cluster.makeNodeBehindProxy()
        try cluster.start(node)
        try cluster.takeIn(node)
        let (old, candidate) = (cluster[0], cluster[1])
        old.kill()
        // Its promise does not come: the candidate waits, and dies meanwhile.
        proxy.watchRequests { line in
            if line.hasPrefix("POST /replication/promise") { candidate.send(9) }
        }
        // It may be gone before it has answered.
        _ = try? candidate.client.failOver(to: "n2", acceptDataLoss: true)
        #expect(candidate.waitForEnd(within: .seconds(30)) != nil)
        proxy.watchRequests(nil)
        candidate.kill()
        try candidate.start(until: .alive)
        let operations = try candidate.client.list("/v1/operations")
        let ended = try #require(operations.first { $0["type"] == "failover" })
        // In the log it is with the reign.
        if ended["node_local"] == false {
            for node in cluster.nodes { node.kill() }
            return false
        }
        let id = try #require(ended["id"]?.stringValue)
        #expect(ended["state"] == "failed", "\(ended)")
        #expect(ended["error"]?["code"] == "node-stopped", "\(ended)")
        try old.start(until: .alive)
        try poll(within: .seconds(40), for: "one node is primary, and everything in sync") {
            let views = try cluster.nodes.map { try $0.client.node() }
            return views.count { $0.role == "primary" } == 1 ? true : nil
        }
        let again = try candidate.client.get("/v1/operations/\(id)").expecting(200)
        #expect(again["state"] == "failed")
        return true
    }

    /// In one of some tries: who is silent for longer is not asked.
    @Test(.timeLimit(.minutes(3)))
    func `what a node that does not answer may know of is not said to be nowhere`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, other) = (cluster.primary.client, cluster[1])
        let path = "/v1/operations/op_of-nobody"
        #expect(try primary.get("\(path)?wait=done&timeout=20s").status == 404)
        let answer = try (0..<10).lazy.compactMap { _ -> TestAnswer? in
            try other.client.waitUntilState("streaming")
            try primary.waitUntilInSync()
            other.pause()
            defer { other.resume() }
            let answer = try primary.get(path).expecting(404, 503)
            return answer.status == 503 ? answer : nil
        }.first
        #expect(answer?.problem == "not-ready")
        #expect(answer?.header("Retry-After") == "1")
    }

    @Test(.timeLimit(.minutes(4)))
    func `an operation ends when its node is removed, and when another node reigns`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, slow) = (cluster[0], cluster[1])
        try primary.client.load(
            (0..<400).map { (key: "k\($0)", value: SeededRandom.block($0, 1_000)) },
            into: "default")
        try primary.client.waitUntilInSync()
        _ = try slow.client.limitFullSync(10_000).expecting(200)
        let removed = try begin("/v1/nodes/n2/resync", [:], at: primary.client)
        try slow.client.waitUntilState("full_sync")
        _ = try primary.client.delete("/v1/nodes/n2").expecting(200)
        let ended = try primary.client.get("/v1/operations/\(removed)?wait=done&timeout=10s")
        #expect(ended["current"]?["error"]?["code"] == "node-removed", "\(ended)")
        #expect(steps(ended["current"] ?? .null) == ["succeeded", "failed"])

        // The node that runs a switchover dies: whoever reigns next says that it came to nothing.
        let heir = cluster[2]
        let lost = try cluster.beginSwitchover(toPaused: heir, timeout: 20_000)
        primary.kill()
        heir.resume()
        try primary.start(until: .ready)
        try poll(within: .seconds(30), for: "it has ended") {
            let operation = try primary.client.get("/v1/operations/\(lost)").expecting(200)
            guard operation["state"] == "failed" else { return Bool?.none }
            return operation["error"]?["code"] == "node-stopped"
        }
        try primary.client.waitUntilInSync()
        #expect(try heir.client.get("/v1/operations/\(lost)")["state"] == "failed")
        #expect(
            try primary.client.get("/v1/operations?state=running")["items"]?.arrayValue == [])
    }

    @Test(.enabled(if: isFullRun, "it takes more than a minute"), .timeLimit(.minutes(2)))
    func `an operation whose node is gone for a minute ends, and the node syncs when it is back`()
        throws
    {
        let cluster = try TestCluster(nodes: 1)
        let primary = cluster.primary.client
        try primary.load(
            (0..<400).map { (key: "k\($0)", value: SeededRandom.block($0, 1_000)) },
            into: "default")
        let node = try cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "10000"])
        try cluster.start(node)
        let id = try cluster.beginTakingIn(node)
        try node.client.waitUntilState("full_sync", within: 10)
        rest(.milliseconds(500))
        node.kill()
        let ended = try primary.ask(
            "GET", "/v1/operations/\(id)?wait=done&timeout=75s", waiting: .seconds(75))
        #expect(ended["current"]?["error"]?["code"] == "node-unreachable", "\(ended)")
        #expect(steps(ended["current"] ?? .null) == ["succeeded", "succeeded", "failed"])
        node.setFlags([])
        try node.start(until: .alive)
        try primary.waitUntilInSync()
    }
}
