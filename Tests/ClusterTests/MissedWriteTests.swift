// Symptom (kvrocks#2214): a replica that was down while one key was changed keeps the old value for
// ever, with the link up and equal offsets.

import ClusterKit
import JSON
import Testing

/// Test B of INCIDENTS.md, steps 1 to 5.
@Suite(.cluster) struct MissedWriteTests {
    /// Test B, steps 1 and 2.
    @Test(.timeLimit(.minutes(3)))
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
        let comparison = try KeyComparison(cluster.nodes)
        #expect(comparison.differences == [])
        #expect(try replica.client.get(Path.key("k0")).text == "v1")
        #expect(try replica.client.node().fullSyncs == 1, "the one of its adoption")
    }

    /// Test B, step 3, and step 5 with `kill -9`.
    @Test(.timeLimit(.minutes(5)), arguments: [false, true])
    func `a single missed write is never lost however the replica went`(isKilled: Bool) throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        for round in 0..<(isFullRun || !isKilled ? 20 : 5) {
            if isKilled { replica.kill() } else { try replica.stop() }
            let value = Array("round \(round)".utf8)
            let index = try #require(primary.client.put(Path.key("k"), value).index)
            try replica.start()
            try replica.client.waitUntilApplied(index)
            #expect(try replica.client.get(Path.key("k")).body == value)
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    /// Test B, step 4.
    @Test(.timeLimit(.minutes(3)))
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

    /// Test B, step 5: namespaces edited while R is down; every setting that can differ.
    @Test(.timeLimit(.minutes(3)))
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
        try replica.start(additional: try Self.otherSettings(joining: primary))
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.get(Path.key("k", in: "gone")).status == 404)
        let own = try replica.client.with(token: token).get(Path.key("k2", in: "gone"))
        #expect(own.body == [2])
        #expect(try replica.client.node().fullSyncs == 1)
        // Back to what it was set to before: nothing moves.
        let before = try KeyComparison.waitForOnePosition(cluster.nodes)
        try replica.stop()
        try replica.start()
        #expect(try replica.client.node().position == before)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Every setting that may differ between two nodes, with another value than the default.
    private static func otherSettings(joining primary: ConvoyProcess) throws -> [String] {
        let values: [(flag: String, value: String?)] = [
            ("--sync", "always"), ("--join", primary.address),
            ("--health", "127.0.0.1:\(try FreePort.take())"), ("--allow-host", "replica.example"),
            ("--log-retention-bytes", "1"), ("--log-retention-max-bytes", "2"),
            ("--log-segment-bytes", "4096"), ("--in-sync-lag-ms", "500"),
            ("--disk-reserve-bytes", "1"), ("--full-sync-max-bytes-per-second", "1000000"),
            ("--block-cache-bytes", "1048576"), ("--recover-timeout-ms", "1"),
            ("--insecure-links", nil), ("--open-metrics", nil), ("--isolated-writes", "refuse"),
        ]
        // Who the node is and where, with its certificate, and what all nodes of a cluster share.
        let same: Set = [
            "--name", "--data", "--http", "--advertise", "--cluster-secret-file", "--version",
            "--help", "--tls-certificate-file", "--tls-key-file", "--links-ca-file",
        ]
        let help = try CommandRun(ConvoyBinary.path(), ["serve", "--help"]).text
        let flags = Set(
            help.split(separator: "\n").filter { $0.hasPrefix("  -") }.flatMap {
                $0.matches(of: /--[a-z-]+/).map { String($0.output) }.prefix(1)
            })
        #expect(
            flags.subtracting(same) == Set(values.map(\.flag)), "every setting is tried here")
        return values.flatMap { [$0.flag] + ($0.value.map { [$0] } ?? []) }
    }
}
