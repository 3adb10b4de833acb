// Symptom (kvrocks#2214): a replica that was down while one key was changed keeps the old value for
// ever, with the link up and equal offsets.

import ClusterKit
import JSON
import Testing

/// Test B of INCIDENTS.md, steps 1 to 5.
@Suite(.cluster) struct MissedWriteTests {
    @Test(.timeLimit(.minutes(1)))
    func `the first write that a replica missed is not lost`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.put(Path.key("k0"), Array("v0".utf8)).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try replica.stop()

        _ = try primary.client.put(Path.key("k0"), Array("v1".utf8)).expecting(204)
        _ = try primary.client.put(Path.key("test2"), Array("new".utf8)).expecting(201)
        try primary.client.load((0..<100).map { ("b\($0)", [UInt8($0)]) }, into: "default")

        try replica.start()
        let comparison = try KeyComparison(cluster.nodes, within: .seconds(10))
        #expect(comparison.differences == [])
        #expect(try replica.client.get(Path.key("k0")).text == "v1")
        #expect(try replica.client.node().fullSyncs == 1, "the one of its adoption")
    }

    @Test(.timeLimit(.minutes(2)), arguments: [false, true])
    func `a single missed write is never lost however the replica went`(isKilled: Bool) throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        for round in 0..<(isFullRun ? 20 : 5) {
            if isKilled { replica.kill() } else { try replica.stop() }
            let value = Array("round \(round)".utf8)
            let index = try #require(primary.client.put(Path.key("k"), value).index)
            try replica.start()
            try replica.client.waitUntilApplied(index, within: 10)
            #expect(try replica.client.get(Path.key("k")).body == value)
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a restart alone moves no position`() throws {
        let cluster = try TestCluster(nodes: 2)
        let replica = cluster[1]
        _ = try cluster.primary.client.put(Path.key("k"), [1]).expecting(201)
        let before = try KeyComparison.waitForOnePosition(cluster.nodes)
        for _ in 0..<5 {
            try replica.stop()
            try replica.start()
            try cluster.primary.client.waitUntilInSync()
            #expect(try cluster.nodes.map { try $0.client.node().position } == [before, before])
        }
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(1)))
    func `namespaces edited meanwhile arrive at a replica with other settings`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.createNamespace("gone")
        _ = try primary.client.put(Path.key("k", in: "gone"), [1]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        replica.kill()
        _ = try primary.client.delete("/v1/namespaces/gone").expecting(200)
        let token = try primary.client.createNamespace("gone")
        _ = try primary.client.createNamespace("fresh")
        _ = try primary.client.put(Path.key("k2", in: "gone"), [2]).expecting(201)
        try replica.start(additional: [
            "--sync", "always", "--log-retention-bytes", "1", "--log-segment-bytes", "4096",
            "--in-sync-lag-ms", "500", "--block-cache-bytes", "1048576",
        ])
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.get(Path.key("k", in: "gone")).status == 404)
        let own = try replica.client.with(token: token).get(Path.key("k2", in: "gone"))
        #expect(own.body == [2])
        #expect(try replica.client.node().fullSyncs == 1)
    }
}
