import ClusterKit
import JSON
import Testing

/// Taking in nodes that are not fresh, and what cannot be taken in.
@Suite(.cluster) struct AdoptionTests {
    @Test(.timeLimit(.minutes(3)))
    func `a node with data is taken in only when its data may go`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let token = try client.createNamespace("bb")
        _ = try client.put(Path.key("k", in: "bb"), Array("of the primary".utf8)).expecting(201)

        let other = try cluster.start(cluster.makeNode())
        let otherToken = try other.client.createNamespace("own")
        _ = try other.client.put(Path.key("k"), [1]).expecting(201)
        _ = try other.client.put(Path.key("k", in: "own"), [2]).expecting(201)
        let generation = try client.get("/v1/topology")["generation"]

        let refused = try client.addNode(at: other.address)
        #expect(refused.status == 409, "\(refused)")
        #expect(refused.problem == "node-not-empty")
        #expect(try client.get("/v1/topology")["generation"] == generation, "nothing was done")
        #expect(try other.client.get(Path.key("k", in: "own")).body == [2])
        #expect(try other.client.put(Path.key("k2"), [3]).status == 201)

        try cluster.takeIn(other, options: ["discard_data": true])
        #expect(try other.client.namespaceNames() == ["bb", "default"])
        #expect(try other.client.get(Path.key("k")).status == 404)
        #expect(try other.client.get(Path.key("k", in: "own")).status == 404)
        #expect(try other.client.with(token: otherToken).get("/v1/namespaces").status == 401)
        let read = try other.client.with(token: token).get(Path.key("k", in: "bb"))
        #expect(read.text == "of the primary")
        #expect(try other.client.node().fullSyncs == 1)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `what cannot be taken in is refused with the reason`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let generation = try client.get("/v1/topology")["generation"]
        func add(_ body: JSONValue) throws -> TestAnswer { try client.post("/v1/nodes", body) }

        let gone = try add(["address": .string("http://127.0.0.1:\(try FreePort.take())")])
        #expect(gone.status == 502, "\(gone)")
        #expect(gone.problem == "node-unreachable")
        let twice = try client.addNode(at: cluster[1].address)
        #expect(twice.status == 409, "\(twice)")
        let fresh = try cluster.start(cluster.makeNode())
        let misnamed = try client.addNode(at: fresh.address, options: ["name": "n9"])
        #expect(misnamed.status == 422, "\(misnamed)")
        #expect(misnamed.problem == "name-mismatch")
        let orphan = try client.addNode(at: fresh.address, options: ["upstream": "nobody"])
        #expect(orphan.status == 422, "\(orphan)")
        for address in [
            "127.0.0.1:7070", "http://127.0.0.1:7070/x", "http://u@127.0.0.1:7070",
            "ftp://127.0.0.1:7070", "http://127.0.0.1",
        ] {
            let answer = try add(["address": .string(address)])
            #expect([400, 422].contains(answer.status), "\(address): \(answer)")
        }
        #expect(try client.get("/v1/topology")["generation"] == generation)
        #expect(try fresh.client.node().role == "primary", "it is still a cluster of its own")
        #expect(try fresh.client.put(Path.key("k"), [1]).status == 201)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a node that others follow is not given away`() throws {
        let cluster = try TestCluster(nodes: 2)
        let stranger = try cluster.start(cluster.makeNode(name: "stranger"))
        let answer = try stranger.client.addNode(
            at: cluster.primary.address, options: ["discard_data": true])
        if answer.status == 202, let operation = answer["id"]?.stringValue {
            let ended = try stranger.client.get("/v1/operations/\(operation)?wait=done&timeout=3s")
            #expect(ended.status != 200, "\(ended)")
        } else {
            #expect(answer.status == 409, "\(answer)")
        }
        #expect(try cluster.primary.client.node().role == "primary")
        #expect(try cluster.primary.client.put(Path.key("k"), [1]).status == 201)
        try cluster.primary.client.waitUntilInSync()
    }
}
