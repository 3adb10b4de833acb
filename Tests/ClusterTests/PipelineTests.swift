import ClusterKit
import JSON
import Platform
import Testing

/// What the README tells pipelines to run, line by line as it stands there.
@Suite(.cluster) struct PipelineTests {
    /// The block of the README that begins with `set -euo pipefail`.
    private func script() throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = String(
            decoding: try FileSystem.readAll("/\(root)/README.md"), as: UTF8.self)
        let blocks = text.split(separator: "```sh\n").dropFirst()
            .map { String($0.split(separator: "```", maxSplits: 1)[0]) }
        let script = try #require(blocks.first { $0.hasPrefix("set -euo pipefail") })
        #expect(script.split(separator: "\n").count == 10, "ten lines")
        return script
    }

    private func run(old: ConvoyProcess, new: ConvoyProcess) throws -> CommandRun {
        try CommandRun(
            "/usr/bin/env",
            ["OLD=\(old.address)", "NEW=\(new.address)", "/bin/bash", "-c", try script()],
            within: .seconds(180))
    }

    @Test(.timeLimit(.minutes(4)))
    func `the script of the README replaces a primary, and nobody loses a write`() throws {
        let cluster = try TestCluster(nodes: 2)
        let old = cluster[0]
        try old.client.load(
            (0..<500).map { (key: "k\($0)", value: SeededRandom.block($0, 500)) },
            into: "default")
        let new = try cluster.start(cluster.makeNode())
        let writers = FollowingWriters(2, to: old.client, label: "w")
        let run = try run(old: old, new: new)
        let report = try writers.finish()
        #expect(run.exitCode == 0, "\(run.errors)\n\(run.text)")
        #expect(report.failures == [])
        #expect(report.journal.acknowledged > 10)
        #expect(try new.client.node().role == "primary")
        #expect(try new.client.nodeNames() == ["n2", "n3"])
        try old.client.waitUntilState("detached")
        try new.client.waitUntilInSync()
        #expect(try report.journal.faults(at: new.client, namespace: "default") == [])
        #expect(try KeyComparison([new, cluster[1]]).differences == [])
    }

    @Test(.timeLimit(.minutes(4)))
    func `a step of it that fails ends it, and it changes no more`() throws {
        let cluster = try TestCluster(nodes: 2)
        let stranger = try cluster.start(cluster.makeNode(name: "stranger"))
        _ = try stranger.client.put(Path.key("own"), [1]).expecting(201)
        let etag = try cluster.primary.client.get("/v1/topology").etag
        let run = try run(old: cluster.primary, new: stranger)
        #expect(run.exitCode != 0)
        #expect(try cluster.primary.client.get("/v1/topology").etag == etag)
        #expect(try cluster.primary.client.node().role == "primary")
    }
}
