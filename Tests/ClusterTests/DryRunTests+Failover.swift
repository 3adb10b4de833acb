import ClusterKit
import JSON
import Testing

/// Plans of failovers and of other candidates: what is wrong with them, and what may be lost.
extension DryRunTests {
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
}
