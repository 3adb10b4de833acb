import ClusterKit
import HTTPClient
import JSON
import Platform
import Testing

/// Add, sync, read, restart, remove.
@Suite(.cluster) struct MembershipTests {
    @Test(.timeLimit(.minutes(3)))
    func `a node that is taken in has everything, serves reads and sends writes on`() throws {
        let cluster = try TestCluster()
        let primary = cluster.primary
        _ = try primary.client.createNamespace("orders")
        let records = (0..<500).map { (key: "k\($0)", value: Array("v\($0)".utf8)) }
        try primary.client.load(records, into: "orders")

        let replica = try cluster.start(try cluster.makeNode())
        let begun = try primary.client.post("/v1/nodes", ["address": .string(replica.address)])
        #expect(begun.status == 202, "\(begun)")
        let operation = try #require(begun["id"]?.stringValue)
        #expect(begun.header("Location") == "/v1/operations/\(operation)")
        let done = try primary.client.waitUntilDone(operation)
        #expect(done["state"] == "succeeded")
        let sync = try primary.client.waitUntilInSync()
        #expect(sync["in_sync"] == true)
        #expect(sync["nodes"]?.arrayValue?.map { $0["name"] } == ["n1", "n2"])

        let view = try replica.client.waitUntilState("streaming")
        #expect(view.role == "replica")
        #expect(view.upstream == "n1")
        #expect(view.fullSyncs == 1)
        #expect(view.lastFullSyncReason == "empty")
        #expect(try replica.client.get("/readyz").status == 200)
        #expect(try replica.client.get("/health/replica").status == 200)
        #expect(try replica.client.get("/health/primary").status == 503)
        #expect(try replica.client.get(Path.key("k7", in: "orders")).text == "v7")
        let comparison = try KeyComparison(cluster.nodes)
        #expect(comparison.differences == [])
        #expect(comparison.keysCompared == 500)
        // The replica knows of the operation, too: operations are in the log.
        #expect(try replica.client.waitUntilDone(operation)["state"] == "succeeded")

        let batch: JSONValue = ["operations": [["op": "delete", "key": "k7"]]]
        for refused in [
            try replica.client.put(Path.key("k7", in: "orders"), [1]),
            try replica.client.delete(Path.key("k7", in: "orders")),
            try replica.client.post("/v1/namespaces/orders/batch", batch),
            try replica.client.post("/v1/namespaces/orders/flush"),
            try replica.client.post("/v1/namespaces", ["name": "more"]),
            try replica.client.delete("/v1/namespaces/orders"),
            try replica.client.post("/v1/barriers"),
            try replica.client.delete("/v1/nodes/n2"),
        ] {
            #expect(refused.status == 421, "\(refused)")
            #expect(refused.problem == "not-primary")
            #expect(refused["primary"]?["name"] == "n1")
            #expect(refused["primary"]?["address"]?.stringValue == primary.address)
        }
        #expect(try replica.client.get(Path.key("k7", in: "orders")).text == "v7")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica redirects whoever asks for it`() throws {
        let cluster = try TestCluster(nodes: 2)
        let replica = cluster[1]
        let token = try cluster.primary.client.createNamespace("orders")
        try replica.client.waitUntilApplied(try cluster.primary.client.barrier())
        let target = Path.key("a/b", in: "orders") + "?redirect=true"

        let sent = try replica.client.put(target, [1])
        #expect(sent.status == 307)
        #expect(sent.header("Location")?.hasPrefix(cluster.primary.address) == true)

        let run = try CommandRun.curl(
            [
                "--fail-with-body", "-L", "--location-trusted", "-X", "PUT", "--data-binary", "@-",
                "-H", "Authorization: Bearer \(token)", replica.client.base + target,
            ], input: Array("through the replica".utf8))
        #expect(run.exitCode == 0, "\(run.text) \(run.errors)")
        let read = try cluster.primary.client.get(Path.key("a/b", in: "orders"))
        #expect(read.text == "through the replica")
        try replica.client.waitUntilApplied(try #require(read.index))
        #expect(try replica.client.get(Path.key("a/b", in: "orders")).text == "through the replica")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica that restarts goes on where it was`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.put(Path.key("before"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        let before = try replica.client.node()

        #expect(try replica.stop() == .exited(0))
        for number in 0..<20 { _ = try primary.client.put(Path.key("missed-\(number)"), [2]) }
        try replica.start()
        try primary.client.waitUntilInSync()

        // It streams before it has counted that.
        try poll(within: .seconds(20), for: "it has counted the sync") {
            try replica.client.node().partialSyncs ?? 0 > before.partialSyncs ?? 0 ? true : nil
        }
        #expect(try replica.client.node().fullSyncs == 1)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a primary that restarts is primary again and its replica goes on`() throws {
        let cluster = try TestCluster(nodes: 3)
        let primary = cluster.primary
        let term = try primary.client.get("/v1/sync")["term"]?.integerValue ?? 0
        for round in 0..<2 {
            if round == 0 { #expect(try primary.stop() == .exited(0)) } else { primary.kill() }
            #expect(try cluster[1].client.get("/livez").status == 200)
            try primary.start()
            #expect(try primary.client.put(Path.key("after-\(round)"), [1]).status == 201)
            try primary.client.waitUntilInSync()
            #expect(try KeyComparison(cluster.nodes).differences == [])
        }
        #expect(try primary.client.node().role == "primary")
        #expect(
            try primary.client.get("/v1/sync")["term"]?.integerValue ?? 0 >= term + 2,
            "nobody appends in a reign it held before a restart")
        for replica in cluster.nodes.dropFirst() {
            #expect(try replica.client.node().fullSyncs == 1)
        }
    }

    /// Test C, step 1, with what follows: a restart, and being taken in again.
    @Test(.timeLimit(.minutes(3)))
    func `a node that is removed says detached and stands still`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, stays, removed) = (cluster.primary, cluster[1], cluster[2])
        _ = try primary.client.put(Path.key("k"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        let linkOfOther = try poll(within: .seconds(20), for: "the link with n2") {
            try link(of: "n2", at: primary)
        }

        let answer = try primary.client.delete("/v1/nodes/n3")
        #expect(answer.status == 200)
        #expect(PositionView(answer["position"]) != nil)
        try removed.client.waitUntilState("detached")
        try poll(within: .seconds(20), for: "the primary has no link with n3") {
            try link(of: "n3", at: primary) == nil ? true : nil
        }
        try poll(within: .seconds(20), for: "n3 has no link") {
            try removed.client.links().isEmpty ? true : nil
        }
        #expect(try removed.client.get("/readyz").status == 503)
        #expect(try removed.client.get(Path.key("k")).body == [1], "it still serves reads")
        #expect(try removed.client.put(Path.key("k"), [2]).status != 204)

        let stoodAt = try removed.client.node().position
        for number in 0..<100 { _ = try primary.client.put(Path.key("w\(number)"), [3]) }
        try primary.client.waitUntilInSync()
        #expect(try removed.client.node().position == stoodAt)
        #expect(try removed.client.node().state == "detached")
        #expect(try primary.client.get("/v1/nodes/n3").status == 404)
        #expect(try primary.client.nodeNames() == ["n1", "n2"])
        // The session's, which may have connected anew on a busy machine.
        let linkNow = try poll(within: .seconds(20), for: "the link with n2") {
            try link(of: "n2", at: primary)
        }
        #expect(linkNow["id"] == linkOfOther["id"], "n2 never noticed")
        #expect(try KeyComparison([primary, stays]).differences == [])
        try poll(within: .seconds(20), for: "everything runs as configured") {
            try primary.client.get("/v1/topology/drift")["converged"] == true ? true : nil
        }
        #expect(try primary.client.delete("/v1/nodes/n3").status == 404)
        let ofPrimary = try primary.client.delete("/v1/nodes/n1")
        #expect(ofPrimary.status == 409)
        #expect(ofPrimary.problem == "node-is-primary")

        // It stays detached over a restart, and can be taken in again.
        try removed.stop()
        try removed.start(until: .alive)
        try removed.client.waitUntilState("detached")
        try cluster.takeIn(removed)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Test C, step 2: R2 stopped with SIGSTOP.
    @Test(.timeLimit(.minutes(3)))
    func `a node that stood still while it was removed is refused when it returns`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, removed) = (cluster.primary, cluster[1])
        // The best of three: a busy machine may hold up any request.
        for triesLeft in (0..<3).reversed() {
            removed.pause()
            let answer = try LatencyProbe.time { try primary.client.delete("/v1/nodes/n2") }
            try answer.result.expecting(200)
            if answer.took < .seconds(1) { break }
            guard triesLeft > 0 else {
                throw ClusterFailure("a removal waits for the node: \(answer.took)")
            }
            removed.resume()
            try removed.client.waitUntilState("detached")
            try cluster.takeIn(removed)
        }
        try poll(within: .seconds(20), for: "the primary has no link with n2") {
            try link(of: "n2", at: primary) == nil ? true : nil
        }
        for number in 0..<20 { _ = try primary.client.put(Path.key("w\(number)"), [3]) }
        removed.resume()
        try removed.client.waitUntilState("detached")
        let generation = try primary.client.get("/v1/topology")["generation"]?.integerValue ?? 0
        try poll(within: .seconds(20), for: "it says since when") {
            removed.errorsTail().contains("generation=\(generation)") ? true : nil
        }
        #expect(try removed.client.get(Path.key("w1")).status == 404)
        #expect(try link(of: "n2", at: primary) == nil)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node asks to be taken in with --join`() throws {
        let cluster = try TestCluster(nodes: 2)
        _ = try cluster.primary.client.put(Path.key("k"), [9]).expecting(201)
        // Asked of a replica, which sends it on.
        let joining = try cluster.makeNode(flags: ["--join", cluster[1].address])
        try joining.start(until: .ready)
        try cluster.primary.client.waitUntilInSync()
        #expect(try cluster.primary.client.nodeNames() == ["n1", "n2", "n3"])
        #expect(try joining.client.get(Path.key("k")).body == [9])
        #expect(try joining.client.node().fullSyncs == 1)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try joining.stop()
        try joining.start()
        try cluster.primary.client.waitUntilInSync()
        #expect(try joining.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that joins a cluster that is not there yet goes on asking`() throws {
        let cluster = try TestCluster(empty: [])
        let late = try cluster.makeNode()
        let joining = try cluster.makeNode(flags: ["--join", late.address])
        try joining.start(until: .alive)
        #expect(try joining.client.get("/readyz").status == 503)
        #expect(try joining.client.get("/v1/namespaces").problem == "not-ready")
        let view = try joining.client.node()
        #expect(view.position?.index == 0)
        #expect(view.position?.hash == String(repeating: "0", count: 32))
        try late.start()
        try joining.waitUntilHealthy("/readyz")
        try late.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a full sync uses the rate that it is given`() throws {
        let cluster = try TestCluster()
        let value = SeededRandom.block(2, 2_000_000)
        _ = try cluster.primary.client.put(Path.key("large"), value).expecting(201)
        let replica = try cluster.addReplica(
            flags: ["--full-sync-max-bytes-per-second", "1000000"])
        let sync = try replica.client.node().json["last_full_sync"]
        let seconds = try #require(sync?["seconds"]?.numberValue)
        #expect(seconds > 1.5 && seconds < 30, "2 MB at 1 MB/s took \(seconds) s")
    }

    private func link(of replica: String, at node: ConvoyProcess) throws -> JSONValue? {
        try node.client.get("/v1/links").expecting(200)["items"]?.arrayValue?
            .first { $0["replica"]?.stringValue == replica }
    }
}
