import ClusterKit
import JSON
import Platform
import Testing

/// Another node becomes primary, as planned.
@Suite(.cluster) struct SwitchoverTests {
    /// Begins one, and answers its operation's id. Who is a second behind, as on a busy machine, is
    /// vetoed as long.
    private func begin(
        at primary: TestClient, from: String, to: String? = nil, timeout: Int? = nil
    ) throws -> String {
        var body: JSONObject = ["from": .string(from)]
        if let to { body["to"] = .string(to) }
        if let timeout { body["timeout_ms"] = JSONValue(timeout) }
        let document = JSONValue.object(body)
        let answer = try poll(within: .seconds(30), for: "nobody is vetoed") {
            let answer = try primary.post("/v1/topology/switchover", document)
            return ["vetoed", "no-candidate"].contains(answer.problem) ? nil : answer
        }
        return try #require(answer.expecting(202)["id"]?.stringValue)
    }

    @Test(.timeLimit(.minutes(4)))
    func `under load nothing acknowledged is lost and nobody takes a full sync`() throws {
        let cluster = try TestCluster(nodes: 3)
        let random = SeededRandom.announced(for: "writers under switchovers")
        var primary = cluster[0]
        var order = [1, 2, 0].map { cluster[$0] }
        if isFullRun { order += order + order + order }
        for (round, heir) in order.enumerated() {
            let writers = ParallelWriters(
                4, to: primary.client, random: random.forked(round), label: "s\(round)")
            try writers.waitForAcknowledgements(200)
            try primary.client.switchOver(from: primary.name, to: heir.name)
            #expect(try heir.client.node().role == "primary")
            let journal = try writers.finish()
            #expect(try journal.faults(at: heir.client, namespace: "default") == [])
            #expect(try heir.client.put(Path.key("after-\(round)"), [1]).status == 201)
            let refused = try primary.client.put(Path.key("late"), [1])
            #expect(refused.status == 421)
            #expect(refused["primary"]?["name"]?.stringValue == heir.name)
            try heir.client.waitUntilInSync()
            #expect(try KeyComparison(cluster.nodes).differences == [], "round \(round)")
            primary = heir
        }
        #expect(try cluster.nodes.map { try $0.client.node().fullSyncs } == [0, 1, 1])
        #expect(try cluster.nodes.map { try $0.client.node().divergedEntries } == [0, 0, 0])
    }

    @Test(.timeLimit(.minutes(4)))
    func `writes are held for a moment and see nothing but 421`() throws {
        let cluster = try TestCluster(nodes: 2)
        let old = cluster[0]
        let seen = Monitor((longest: Duration.zero, statuses: [Int: Int]()))
        let isOver = Monitor(false)
        defer { isOver.update { $0 = true } }
        for number in 0..<4 {
            _ = WorkerThread(name: "writer-\(number)") {
                let client = TestClient(base: old.client.base)
                var count = 0
                while !isOver.withLock({ $0 }) {
                    let began = MonotonicTime.now()
                    let answer = try? client.put(Path.key("w\(number)-\(count)"), [1])
                    let took = MonotonicTime.now() - began
                    seen.update { seen in
                        seen.longest = max(seen.longest, took)
                        seen.statuses[answer?.status ?? 0, default: 0] += 1
                    }
                    count += 1
                }
            }
        }
        func waitForStatus(_ status: Int) -> Int? {
            seen.wait(until: .now() + .seconds(30)) { $0.statuses[status] }
        }
        #expect(waitForStatus(201) != nil)
        rest(.milliseconds(500))
        try old.client.switchOver(from: "n1", to: "n2")
        #expect(waitForStatus(421) != nil)
        rest(.milliseconds(200))
        isOver.update { $0 = true }
        rest(.milliseconds(300))
        let (longest, statuses) = seen.withLock { ($0.longest, $0.statuses) }
        print("the longest of \(statuses) took \(longest)")
        #expect(Set(statuses.keys) == [201, 421])
        // The budget is 200 ms on a machine of its own. What hangs is held for five seconds.
        #expect(longest < .milliseconds(isFullRun ? 200 : 4_500))
    }

    @Test(.timeLimit(.minutes(4)))
    func `it has one begin and one end in the audit, and shows the deadlines of its steps`() throws
    {
        let cluster = try TestCluster(nodes: 2)
        let (primary, heir) = (cluster[0].client, cluster[1])
        let failing = try cluster.beginSwitchover(toPaused: heir, timeout: 20_000)
        let removed = try primary.delete("/v1/nodes/n2").expecting(200)
        #expect(removed["position"] != nil)
        let ended = try primary.get("/v1/operations/\(failing)?wait=done&timeout=10s")
        let error = ended["current"]?["error"]
        #expect(error?["code"] == "candidate-removed", "\(ended)")
        #expect(error?["detail"]?.stringValue?.contains("taken out of the topology") == true)
        heir.resume()
        try heir.client.waitUntilState("detached")
        try cluster.takeIn(heir)

        let operation = try begin(at: primary, from: "n1", to: "n2", timeout: 20_000)
        try primary.waitUntilDone(operation)
        try heir.client.waitUntilInSync()
        rest(.milliseconds(500))
        let steps = try primary.get("/v1/operations/\(operation)")["steps"]?.arrayValue ?? []
        let deadlines = Dictionary(
            steps.compactMap { step in step["name"]?.stringValue.map { ($0, step) } },
            uniquingKeysWith: { first, _ in first })
        let hold = deadlines["hold"]?["deadline_at"]?.stringValue
        let catchUp = deadlines["catch-up"]?["deadline_at"]?.stringValue
        #expect(try #require(hold) < #require(catchUp), "writes are held for 5 s at most: \(steps)")
        // The new primary shows the same, also when it was not there meanwhile.
        for restarts in [false, true] {
            if restarts {
                try heir.stop()
                try heir.start()
            }
            let shown = try heir.client.get("/v1/operations/\(operation)")
            for step in shown["steps"]?.arrayValue ?? [] {
                let name = step["name"]?.stringValue ?? ""
                #expect(step["state"] == "succeeded", "\(shown)")
                guard name != "spread" else { continue }
                #expect(step["started_at"] == deadlines[name]?["started_at"], "\(name) \(shown)")
                #expect(step["started_at"]?.stringValue != nil)
            }
            #expect(shown["result"]?["course"] == nil && shown["result"]?["pause_ms"] != nil)
        }
        let audit = try heir.client.list("/v1/audit")
        let actions = audit.filter { record in
            record["changes"]?.arrayValue?.contains {
                $0["subject"] == .string("operation:\(operation)")
            }
                ?? false
        }.compactMap { $0["what"]?.stringValue }
        #expect(
            actions == ["switchover.success", "topology.reign", "switchover.begin"], "\(audit)")
    }

    @Test(.timeLimit(.minutes(4)))
    func `what cannot be done is refused at once, with the reason`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, replica) = (cluster[0].client, cluster[1].client)
        func refusal(_ body: JSONObject, at client: TestClient) throws -> TestAnswer {
            try client.post("/v1/topology/switchover", .object(body))
        }
        #expect(try refusal(["to": "n2"], at: primary).status == 422, "from is mandatory")
        #expect(try refusal(["from": "n2"], at: primary).problem == "not-the-primary")
        #expect(try refusal(["from": "n1", "to": "n9"], at: primary).status == 422)
        #expect(try refusal(["from": "n1", "to": "n1"], at: primary).problem == "is-primary")
        #expect(try refusal(["from": "n1", "timeout_ms": 1], at: primary).status == 422)
        #expect(try refusal(["from": "n1"], at: replica).status == 421)
        cluster[1].kill()
        try poll(within: .seconds(30), for: "n2 is known to be gone") {
            let vetoes = try primary.node("n2").json["vetoes"]?.arrayValue ?? []
            return vetoes.isEmpty ? nil : true
        }
        #expect(try refusal(["from": "n1", "to": "n2"], at: primary).problem == "vetoed")
        // Nobody named: the one that can.
        let operation = try begin(at: primary, from: "n1")
        try primary.waitUntilDone(operation)
        #expect(try cluster[2].client.node().role == "primary")
    }

    @Test(.timeLimit(.minutes(4)))
    func `a candidate that stands still changes nothing and writes go on`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, heir) = (cluster[0], cluster[1])
        let before = try primary.client.get("/v1/topology").etag
        let operation = try cluster.beginSwitchover(toPaused: heir, timeout: 800)
        let ended = try primary.client.get("/v1/operations/\(operation)?wait=done&timeout=10s")
        #expect(ended.problem == "operation-failed", "\(ended)")
        let error = ended["current"]?["error"]
        #expect(error?["code"]?.stringValue == "switchover-timeout", "\(error ?? .null)")
        #expect(try primary.client.put(Path.key("k"), [2]).status == 204)
        #expect(try primary.client.get("/v1/topology").etag == before)
        // After three seconds without its replica it says that it may be cut off.
        let state = try primary.client.node().state
        #expect(state == "serving" || state == "unconfirmed", "no hold is left")
        heir.resume()
        try primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(4)))
    func `it can be cancelled while the candidate is not there yet`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, heir) = (cluster[0], cluster[1])
        let operation = try cluster.beginSwitchover(toPaused: heir, timeout: 20_000)
        let path = "/v1/operations/\(operation)"
        let cancelled = try primary.client.post(
            "\(path)/cancel", headers: [("X-Change-Reason", "second thoughts")])
        #expect(cancelled.status == 202)
        try poll(within: .seconds(20), for: "it is cancelled") {
            try primary.client.get(path)["state"]?.stringValue == "cancelled" ? true : nil
        }
        #expect(try primary.client.post("\(path)/cancel").problem == "not-cancellable")
        let record = try primary.client.list("/v1/audit").first {
            $0["what"] == "switchover.cancel"
        }
        #expect(record?["who"] == "anonymous" && record?["why"] == "second thoughts", "\(record)")
        #expect(try primary.client.post("/v1/operations/op_none/cancel").status == 404)
        #expect(try primary.client.put(Path.key("k"), [2]).status == 204)
        heir.resume()
        try primary.client.waitUntilInSync()
        #expect(try primary.client.node().role == "primary")
    }

    /// Whoever dies, and whenever: one primary in the end, and every acknowledged write.
    @Test(.timeLimit(.minutes(5)))
    func `a node that is killed at any moment of it leaves one primary and every write`() throws {
        let cluster = try TestCluster(nodes: 3)
        var random = SeededRandom.announced(for: "kills during switchovers")
        var primary = cluster[0]
        for round in 0..<(isFullRun ? 30 : 4) {
            let writers = ParallelWriters(
                2, to: primary.client, random: random.forked(round), query: "?acks=2",
                label: "r\(round)")
            try writers.waitForAcknowledgements(30)
            let heir = try #require(cluster.nodes.first { $0.name != primary.name })
            _ = try begin(at: primary.client, from: primary.name, to: heir.name)
            rest(.milliseconds(Int64(random.next() % 30)))
            let victim = round.isMultiple(of: 2) ? primary : heir
            victim.kill()
            let journal = try writers.finish()
            try victim.start(until: .alive)
            let winner = try poll(
                within: .seconds(60), for: "one node is primary and nothing is under way"
            ) {
                let reigning = try cluster.nodes.filter { try $0.client.node().role == "primary" }
                guard reigning.count == 1, let one = reigning.first,
                    try one.client.get("/v1/operations?state=running")["items"]?.arrayValue == []
                else { return ConvoyProcess?.none }
                return one
            }
            try winner.client.waitUntilInSync(within: 60)
            let answer = try winner.client.put(Path.key("after-\(round)"), [1])
            #expect(answer.status == 201, "\(answer)")
            #expect(try journal.faults(at: winner.client, namespace: "default") == [])
            try winner.client.waitUntilInSync()
            #expect(try KeyComparison(cluster.nodes).differences == [], "round \(round)")
            primary = winner
        }
    }
}

extension TestCluster {
    /// Begins a switchover to a node that stands still and lacks an entry. Who was not heard for
    /// some seconds is vetoed, and a busy machine may let as many pass: then it is tried again.
    func beginSwitchover(toPaused heir: ConvoyProcess, timeout: Int) throws -> String {
        for _ in 0..<10 {
            heir.pause()
            _ = try primary.client.put(Path.key("k"), [1]).expecting(201, 204)
            let answer = try primary.client.post(
                "/v1/topology/switchover",
                [
                    "from": .string(primary.name), "to": .string(heir.name),
                    "timeout_ms": JSONValue(timeout),
                ])
            if answer.problem != "vetoed" {
                return try #require(answer.expecting(202)["id"]?.stringValue)
            }
            heir.resume()
            try primary.client.waitUntilInSync()
        }
        throw ClusterFailure("\(heir.name) was vetoed each time")
    }
}
