import ClusterKit
import JSON
import Testing

/// What changes of the topology would do, before they are made.
@Suite(.cluster) struct DryRunTests {
    /// One change, which can be asked for with and without `dry_run`.
    private struct Ask {
        var method: String
        var path: String
        var body: JSONObject?
        var client: TestClient

        init(
            _ method: String, _ path: String, _ body: JSONObject? = nil, at client: TestClient
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.client = client
        }

        func plan() throws -> TestAnswer {
            try client.ask(method, path + "?dry_run=true", json: body.map { .object($0) })
                .expecting(200)
        }

        func make() throws -> TestAnswer {
            try client.ask(method, path, json: body.map { .object($0) })
        }
    }

    private func codes(_ list: JSONValue?) -> [String] {
        list?.arrayValue?.compactMap { $0["code"]?.stringValue } ?? []
    }

    private func risk(_ code: String, _ plan: TestAnswer) -> JSONValue? {
        plan["risks"]?.arrayValue?.first { $0["code"]?.stringValue == code }
    }

    private func evidence(_ name: String, _ finding: JSONValue?) -> JSONValue? {
        finding?["evidence"]?.arrayValue?.first { $0["name"]?.stringValue == name }
    }

    /// Where every log ends and what is configured: what a dry run leaves as it is.
    private func state(_ cluster: TestCluster) throws -> [String] {
        try cluster.nodes.filter(\.isRunning).map { node in
            let view = try node.client.node()
            let etag = try node.client.get("/v1/topology").etag ?? ""
            return "\(node.name) \(view.position.map { "\($0)" } ?? "-") \(etag)"
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a change is refused for what its plan names as blockers`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, replica) = (cluster[0].client, cluster[1].client)
        let stranger = try cluster.start(cluster.makeNode(name: "full"))
        _ = try stranger.client.put(Path.key("own"), [1]).expecting(201)
        let fresh = try cluster.start(cluster.makeNode(name: "fresh"))
        let nowhere: JSONValue = "http://127.0.0.1:1"
        let asks: [(Ask, String)] = [
            (Ask("POST", "/v1/nodes", ["address": nowhere], at: primary), "node-unreachable"),
            (
                Ask("POST", "/v1/nodes", ["address": "http://10.9.9.9:7070"], at: primary),
                "address-not-allowed"
            ),
            (
                Ask("POST", "/v1/nodes", ["address": .string(cluster[1].address)], at: primary),
                "already-exists"
            ),
            (
                Ask("POST", "/v1/nodes", ["address": .string(stranger.address)], at: primary),
                "node-not-empty"
            ),
            (
                Ask(
                    "POST", "/v1/nodes", ["address": .string(fresh.address), "name": "other"],
                    at: primary), "name-mismatch"
            ),
            (
                Ask(
                    "POST", "/v1/nodes", ["address": .string(fresh.address), "upstream": "ghost"],
                    at: primary), "unknown-node"
            ),
            (Ask("DELETE", "/v1/nodes/n1", at: primary), "node-is-primary"),
            (Ask("PATCH", "/v1/nodes/n2", ["upstream": "ghost"], at: primary), "unknown-node"),
            (Ask("PATCH", "/v1/nodes/n2", ["upstream": "n2"], at: primary), "cycle"),
            (
                Ask(
                    "PATCH", "/v1/nodes/n2", ["address": .string(cluster[2].address)],
                    at: primary), "duplicate-address"
            ),
            (
                Ask("PATCH", "/v1/nodes/self", ["upstream": "ghost", "claim": true], at: replica),
                "unknown-node"
            ),
            (Ask("POST", "/v1/nodes/n1/resync", at: primary), "node-is-primary"),
            (
                Ask("POST", "/v1/topology/switchover", ["from": "n2"], at: primary),
                "not-the-primary"
            ),
            (
                Ask("POST", "/v1/topology/switchover", ["from": "n1", "to": "n1"], at: primary),
                "is-primary"
            ),
            (
                Ask("POST", "/v1/topology/switchover", ["from": "n1", "to": "ghost"], at: primary),
                "unknown-node"
            ),
            (
                Ask("POST", "/v1/topology/failover", ["to": "n1", "reason": "x"], at: primary),
                "is-primary"
            ),
            (
                Ask("POST", "/v1/topology/rollback", ["to_generation": 999], at: primary),
                "unknown-generation"
            ),
        ]
        for (ask, code) in asks {
            let before = try state(cluster)
            // A node that is looked at may answer too late on a busy machine: then again.
            let isThere = code != "node-unreachable"
            let plan = try poll(within: .seconds(20), for: "a look at the node") {
                let plan = try ask.plan()
                return isThere && codes(plan["blockers"]) == ["node-unreachable"] ? nil : plan
            }
            #expect(try state(cluster) == before, "\(ask.path): a dry run changes nothing")
            #expect(codes(plan["blockers"]) == [code], "\(ask.method) \(ask.path): \(plan)")
            let answer = try poll(within: .seconds(20), for: "a look at the node") {
                let answer = try ask.make()
                return isThere && answer.problem == "node-unreachable" ? nil : answer
            }
            #expect(answer.status >= 400, "\(ask.method) \(ask.path): \(answer)")
            let told =
                [answer.problem ?? ""] + codes(answer["errors"]) + codes(answer["vetoes"])
            #expect(told.contains(code), "\(ask.method) \(ask.path): \(answer)")
        }
        let elsewhere = try replica.ask("DELETE", "/v1/nodes/n3?dry_run=true")
        #expect(elsewhere.problem == "not-primary", "it is asked of the primary: \(elsewhere)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `what a plan without blockers says is what happens`() throws {
        let cluster = try TestCluster(nodes: 2)
        let primary = cluster[0].client
        try primary.load(
            (0..<200).map { (key: "k\($0)", value: SeededRandom.block($0, 1_000)) },
            into: "default")
        try primary.waitUntilInSync()
        let fresh = try cluster.start(cluster.makeNode())
        let add = Ask("POST", "/v1/nodes", ["address": .string(fresh.address)], at: primary)
        let before = try state(cluster)
        // The look at n3, and what n2 last told, may come too late on a busy machine.
        let added = try poll(within: .seconds(20), for: "a plan by all that there is to know") {
            let plan = try add.plan()
            let isMeasured =
                evidence("sync_seconds", risk("full-sync-required", plan))?["measured"] == true
            return codes(plan["blockers"]) == [] && isMeasured ? plan : nil
        }
        #expect(try state(cluster) == before)
        #expect(
            codes(added["steps"]) == ["append-topology", "add-node", "start-link", "full-sync"])
        let cost = risk("full-sync-required", added)
        #expect((evidence("data_bytes", cost)?["value"]?.numberValue ?? 0) > 100_000, "\(added)")
        let began = try add.make().expecting(202)
        try primary.waitUntilDone(try #require(began["id"]?.stringValue))
        #expect(try fresh.client.node().fullSyncs == 1)

        let switchover = Ask(
            "POST", "/v1/topology/switchover", ["from": "n1", "to": "n2"], at: primary)
        try primary.waitUntilInSync()
        let guessed = try poll(within: .seconds(20), for: "n2 may take over") {
            let plan = try switchover.plan()
            return codes(plan["blockers"]) == [] ? plan : nil
        }
        #expect(
            codes(guessed["steps"]).prefix(4) == [
                "catch-up", "hold-writes", "hand-over", "move-primary",
            ])
        #expect(
            evidence("pause_ms", risk("write-pause", guessed))?["measured"] == false, "\(guessed)")
        // Given up when n2 is not heard for too long, it changes nothing.
        let ended = try poll(within: .seconds(40), for: "a switchover that comes about") {
            () -> TestAnswer? in
            let switched = try switchover.make().expecting(202, 409)
            guard switched.status == 202 else { return nil }
            let id = try #require(switched["id"]?.stringValue)
            let ended = try primary.ask(
                "GET", "/v1/operations/\(id)?wait=done&timeout=45s", waiting: .seconds(45)
            ).expecting(200, 409)
            return ended.status == 200 ? ended : nil
        }
        let pause = try #require(ended["result"]?["pause_ms"]?.numberValue, "\(ended)")
        #expect(pause > 0 && pause < 30_000)

        let heir = cluster[1].client
        try heir.waitUntilInSync()
        let back = Ask("POST", "/v1/topology/switchover", ["from": "n2", "to": "n1"], at: heir)
        let measured = try back.plan()
        #expect(
            evidence("pause_ms", risk("write-pause", measured))?["value"]?.numberValue == pause)
        #expect(evidence("pause_ms", risk("write-pause", measured))?["measured"] == true)

        let removal = try Ask("DELETE", "/v1/nodes/n3", at: heir).plan()
        #expect(codes(removal["steps"]) == ["append-topology", "end-link", "remove-node"])
        #expect(risk("reduced-redundancy", removal) != nil)
        let resync = try Ask("POST", "/v1/nodes/n3/resync", at: heir).plan()
        #expect(codes(resync["steps"]) == ["end-link", "full-sync"])
        #expect(risk("full-sync-required", resync) != nil)
        #expect(try fresh.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that comes back is planned to go on from where it stands, and does so`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, node) = (cluster[0].client, cluster[1])
        _ = try primary.put(Path.key("k"), [1]).expecting(201)
        try primary.waitUntilInSync()
        let generation = try #require(primary.get("/v1/topology")["generation"]?.integerValue)
        _ = try primary.delete("/v1/nodes/n2").expecting(200)
        try node.client.waitUntilState("detached")
        _ = try primary.put(Path.key("k"), [2]).expecting(204)

        let add = Ask("POST", "/v1/nodes", ["address": .string(node.address)], at: primary)
        let back = Ask(
            "POST", "/v1/topology/rollback", ["to_generation": .integer(generation)], at: primary)
        for ask in [add, back] {
            let plan = try poll(within: .seconds(20), for: "a plan by what n2 tells") {
                let plan = try ask.plan()
                return codes(plan["risks"]) == ["link-restarts"] ? plan : nil
            }
            #expect(codes(plan["steps"]) == ["append-topology", "add-node", "start-link"])
            #expect(codes(plan["blockers"]) == [])
        }
        let began = try back.make().expecting(202)
        try primary.waitUntilDone(try #require(began["id"]?.stringValue))
        try primary.waitUntilInSync()
        #expect(try node.client.node().fullSyncs == 1, "as it was planned")

        // One that is not there can be planned, too.
        _ = try primary.delete("/v1/nodes/n2").expecting(200)
        try node.client.waitUntilState("detached")
        node.kill()
        let blind = try back.plan()
        #expect(Set(codes(blind["risks"])) == ["full-sync-required", "node-unreachable"])
        let why = risk("full-sync-required", blind)?["detail"]?.stringValue ?? ""
        #expect(why.contains("not looked at"), "\(blind)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a failover is planned as it would be refused, also beside nodes that hang`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, heir) = (cluster[0], cluster[1])
        let ask = Ask(
            "POST", "/v1/topology/failover", ["to": "n2", "reason": "a test"], at: heir.client)
        // Who is not heard for half a second is taken for silent, as it may be on a busy machine.
        let healthy = try poll(within: .seconds(20), for: "a plan that heard everybody") {
            let plan = try ask.plan()
            let isHeard = plan["risks"]?.arrayValue?.first?["code"] == "primary-answers"
            return isHeard && codes(plan["blockers"]) == [] ? plan : nil
        }
        let warning = healthy["risks"]?.arrayValue?.first
        #expect(warning?["remedy"]?.stringValue?.contains("/v1/topology/switchover") == true)

        primary.pause()
        let plan = try poll(within: .seconds(20), for: "a plan that heard n3 and not n1") {
            let plan = try ask.plan()
            let silent = plan["risks"]?.arrayValue?.filter { $0["code"] == "node-unreachable" }
            return silent?.map { $0["node"]?.stringValue } == ["n1"] ? plan : nil
        }
        #expect(codes(plan["blockers"]) == ["data-loss-possible"], "\(plan)")
        #expect(risk("primary-answers", plan) == nil)
        let refused = try ask.make()
        #expect(refused.status == 409 && refused.problem == "data-loss-possible", "\(refused)")
        primary.resume()
        try primary.client.waitUntilInSync()
        #expect(try primary.client.node().role == "primary", "nothing was done")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a plan tells what is wrong with a candidate, and what a failover may lose`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, heir) = (cluster[0], cluster[1])
        cluster[2].kill()
        let toDead = Ask(
            "POST", "/v1/topology/switchover", ["from": "n1", "to": "n3"], at: primary.client)
        let plan = try poll(within: .seconds(30), for: "n3 is known to be gone") {
            let plan = try toDead.plan()
            return codes(plan["blockers"]).contains("unreachable") ? plan : nil
        }
        let veto = plan["blockers"]?.arrayValue?.first
        #expect(evidence("observation_age_ms", veto) != nil, "\(plan)")
        #expect(veto?["remedy"]?.stringValue?.isEmpty == false)
        let refused = try toDead.make()
        #expect(refused.problem == "vetoed")
        #expect(Set(codes(refused["vetoes"])) == Set(codes(plan["blockers"])))

        let put = try primary.client.put(Path.key("k"), [1]).expecting(201)
        // What is on its way to it when the primary ends would be applied after the plan.
        try heir.client.waitUntilApplied(try #require(put.index))
        primary.kill()
        let careful = Ask(
            "POST", "/v1/topology/failover", ["to": "n2", "reason": "a test"], at: heir.client)
        let before = try state(cluster)
        let lossy = try careful.plan()
        #expect(try state(cluster) == before, "nobody has promised anything")
        #expect(codes(lossy["blockers"]) == ["data-loss-possible"], "\(lossy)")
        let loss = risk("data-loss", lossy)
        #expect(evidence("entries", loss)?["measured"] == true, "\(lossy)")
        #expect(evidence("seconds", loss)?["value"]?.numberValue != nil)
        #expect(
            codes(lossy["steps"]).prefix(3) == ["collect-promises", "open-reign", "move-primary"])

        var accepting = careful
        accepting.body?["accept_data_loss"] = true
        let plan2 = try accepting.plan()
        #expect(codes(plan2["blockers"]) == [], "\(plan2)")
        let began = try accepting.make().expecting(202)
        try heir.client.waitUntilDone(try #require(began["id"]?.stringValue))
        #expect(try heir.client.node().role == "primary")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a candidate in mid full sync, or of another history, is vetoed with its figures`() throws
    {
        let cluster = try TestCluster(empty: [])
        let (old, proxy) = try cluster.makeNodeBehindProxy()
        try cluster.start(old)
        let heir = try cluster.addReplica()
        try old.client.load(
            (0..<1_000).map { (key: "k\($0)", value: SeededRandom.block($0, 1_000)) },
            into: "default")
        try old.client.waitUntilInSync()
        for node in [old, heir] { _ = try node.client.limitFullSync(20_000).expecting(200) }

        /// Until the candidate is vetoed by `code`: its bytes, as the plan and the refusal tell them.
        func veto(_ code: String, from primary: ConvoyProcess, to candidate: ConvoyProcess) throws {
            let ask = Ask(
                "POST", "/v1/topology/switchover",
                ["from": .string(primary.name), "to": .string(candidate.name)],
                at: primary.client)
            // Who is not heard for seconds is vetoed for that instead.
            let plan = try poll(within: .seconds(30), for: "\(code) is in the way") {
                () -> TestAnswer? in
                let plan = try ask.plan()
                let veto = plan["blockers"]?.arrayValue?.first { $0["code"]?.stringValue == code }
                guard evidence("bytes_total", veto) != nil else { return nil }
                let refused = try ask.make().expecting(409)
                return codes(refused["vetoes"]) == [code] ? plan : nil
            }
            #expect(codes(plan["blockers"]) == [code], "\(plan)")
        }

        _ = try old.client.post("/v1/nodes/n2/resync").expecting(202)
        try veto("full-sync", from: old, to: heir)
        let forced = Ask(
            "POST", "/v1/topology/failover",
            ["to": "n2", "reason": "a test", "accept_data_loss": true], at: heir.client)
        #expect(try codes(forced.plan()["blockers"]) == ["full-sync"])
        let refused = try forced.make()
        #expect(refused.problem == "vetoed" && codes(refused["vetoes"]) == ["full-sync"])
        _ = try heir.client.limitFullSync(nil).expecting(200)
        try old.client.waitUntilInSync()

        proxy.conduct = .frozen
        _ = try old.client.put(Path.key("lost"), [1]).expecting(201)
        old.kill()
        proxy.cut()
        proxy.conduct = .healthy
        try heir.client.becomePrimary("n2", acceptDataLoss: true)
        try old.start(until: .alive)
        try veto("diverged", from: heir, to: old)
        let view = try poll(within: .seconds(20), for: "n1 is vetoed") { () -> JSONValue? in
            let view = try heir.client.node("n1").json
            let veto = view["vetoes"]?[0]?.stringValue ?? ""
            return veto.hasPrefix("diverged: ") ? view : nil
        }
        #expect(view["promotable"] == false)
        #expect(view["in_sync"] == false, "\(view)")
        _ = try old.client.limitFullSync(nil).expecting(200)
        try heir.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `what a node would do for itself alone is planned by that node`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, replica) = (cluster[0].client, cluster[1].client)
        let claim = Ask(
            "PATCH", "/v1/nodes/self", ["upstream": "n3", "claim": true], at: replica)
        let limit = Ask(
            "PATCH", "/v1/nodes/self", ["full_sync_max_bytes_per_second": 1_000], at: replica)
        // Of a node that stands still for seconds the link ends by itself: not each time.
        try poll(within: .seconds(20), for: "plans that leave the link as it is") {
            let link = try replica.link(from: "n1", to: "n2")?["id"]
            let claimed = try claim.plan()
            #expect(codes(claimed["steps"]) == ["claim-upstream"])
            let limited = try limit.plan()
            #expect(codes(limited["steps"]) == ["limit-full-sync"])
            let after = try replica.link(from: "n1", to: "n2")?["id"]
            return link != nil && link == after ? true : nil
        }
        let view = try replica.node()
        #expect(view.claimedUpstream == nil && view.fullSyncMaxBytesPerSecond == nil)

        _ = try primary.delete("/v1/nodes/n3").expecting(200)
        try cluster[2].client.waitUntilState("detached")
        let fork = Ask(
            "POST", "/v1/topology/failover", ["to": "n3", "reason": "a test"],
            at: cluster[2].client)
        let plan = try fork.plan()
        #expect(codes(plan["steps"]) == ["fork"] && codes(plan["blockers"]) == [], "\(plan)")
        #expect(try cluster[2].client.node().role == "replica")
        try primary.waitUntilInSync()
    }
}
