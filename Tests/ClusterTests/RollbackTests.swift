import ClusterKit
import JSON
import Testing

/// A change of the topology is taken back.
@Suite(.cluster) struct RollbackTests {
    private func generation(_ client: TestClient) throws -> Int64 {
        try #require(try client.get("/v1/topology")["generation"]?.integerValue)
    }

    private func rollBack(_ client: TestClient, to generation: Int64) throws -> TestAnswer {
        try client.post(
            "/v1/topology/rollback",
            ["to_generation": .integer(generation), "reason": "it was better before"])
    }

    @Test(.timeLimit(.minutes(4)))
    func `an earlier generation comes back as a new one, and the primary stays`() throws {
        let cluster = try TestCluster(nodes: 3)
        let (primary, leaf) = (cluster[0].client, cluster[2])
        let before = try generation(primary)
        _ = try primary.ask("PATCH", "/v1/nodes/n3", json: ["upstream": "n2"]).expecting(200, 202)
        try leaf.client.waitUntilState("streaming")
        try primary.waitUntilInSync()
        #expect(try leaf.client.node().upstream == "n2")
        let now = try generation(primary)

        let begun = try rollBack(primary, to: before).expecting(202)
        try primary.waitUntilDone(try #require(begun["id"]?.stringValue))
        try primary.waitUntilInSync()
        #expect(try leaf.client.node().upstream == "n1")
        #expect(try leaf.client.node().fullSyncs == 1)
        #expect(try generation(primary) == now + 1)
        let newest = try primary.get("/v1/topology/history/\(now + 1)").expecting(200)
        #expect(newest["reason"]?.stringValue == "it was better before")

        try primary.switchOver(from: "n1", to: "n2")
        let heir = cluster[1].client
        let again = try rollBack(heir, to: before).expecting(202)
        try heir.waitUntilDone(try #require(again["id"]?.stringValue))
        #expect(try heir.node().role == "primary", "a rollback moves no primary")
        try heir.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(4)))
    func `what cannot come back is refused and changes nothing`() throws {
        let cluster = try TestCluster(nodes: 2)
        let primary = cluster[0].client
        let etag = try primary.get("/v1/topology").etag
        #expect(try rollBack(primary, to: 999).status == 422)
        #expect(try primary.post("/v1/topology/rollback", ["reason": "x"]).status == 422)
        #expect(try rollBack(cluster[1].client, to: 1).status == 421)
        #expect(try primary.get("/v1/topology").etag == etag)
    }
}
