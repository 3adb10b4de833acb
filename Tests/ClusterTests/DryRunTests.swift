import ClusterKit
import JSON
import Testing

/// What changes of the topology would do, before they are made.
@Suite(.cluster) struct DryRunTests {
    /// One change, which can be asked for with and without `dry_run`.
    struct Ask {
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

    func codes(_ list: JSONValue?) -> [String] {
        list?.arrayValue?.compactMap { $0["code"]?.stringValue } ?? []
    }

    func risk(_ code: String, _ plan: TestAnswer) -> JSONValue? {
        plan["risks"]?.arrayValue?.first { $0["code"]?.stringValue == code }
    }

    func evidence(_ name: String, _ finding: JSONValue?) -> JSONValue? {
        finding?["evidence"]?.arrayValue?.first { $0["name"]?.stringValue == name }
    }

    /// Where every log ends and what is configured: what a dry run leaves as it is.
    func state(_ cluster: TestCluster) throws -> [String] {
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
