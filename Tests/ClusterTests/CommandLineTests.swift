import ClusterKit
import Platform
import Testing

/// What the program itself says, and what it says of a directory.
@Suite(.cluster) struct CommandLineTests {
    private func convoy(_ arguments: String...) throws -> CommandRun {
        try CommandRun(try ConvoyBinary.path(), arguments)
    }

    @Test(.timeLimit(.minutes(3)))
    func `it says its version and teaches its use`() throws {
        let version = try convoy("version")
        #expect(version.exitCode == 0)
        #expect(version.text.hasPrefix("convoy "))
        let help = try convoy("--help")
        #expect(help.exitCode == 0)
        #expect(help.text.contains("convoy serve"))
        #expect(help.text.contains("check"))
        let serve = try convoy("serve", "--help")
        for flag in [
            "--name", "--data", "--http", "--advertise", "--join", "--sync", "--health",
            "--allow-host", "--cluster-secret-file", "--log-retention-bytes",
            "--log-retention-max-bytes", "--in-sync-lag-ms", "--isolated-writes",
        ] {
            #expect(serve.text.contains(flag), "\(flag) is in the help")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a wrong flag is refused with what is right`() throws {
        let scratch = try #require(ScratchDirectory.current)
        for arguments in [
            ["--http", "0.0.0.0:7070"], ["--http", "7070"], ["--sync", "sometimes"],
            ["--name", "Not A Name"], ["--join", "nowhere"], ["--log-segment-bytes", "7"],
            ["--colour", "red"], ["--cluster-secret-file", "/no/such/file"],
            ["--isolated-writes", "sometimes"],
        ] {
            let run = try CommandRun(
                try ConvoyBinary.path(), ["serve", "--data", scratch.path(for: "d")] + arguments)
            #expect(run.exitCode != 0, "\(arguments)")
            #expect(run.errors.contains(arguments[0].dropFirst(2)), "\(arguments): \(run.errors)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a sound directory is found sound`() throws {
        let cluster = try TestCluster(nodes: 2)
        try cluster.primary.client.load((0..<200).map { ("k\($0)", [1, 2, 3]) }, into: "default")
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try cluster[1].stop()
        cluster.primary.kill()
        for node in cluster.nodes {
            let run = try convoy("check", node.dataPath)
            #expect(run.exitCode == 0, "\(node.name): \(run.text) \(run.errors)")
            #expect(!run.text.isEmpty)
        }
        let missing = try convoy("check", "/no/such/directory")
        #expect(missing.exitCode != 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a flipped byte is found and its file named`() throws {
        let node = try TestCluster(flags: ["--log-segment-bytes", "8192"]).primary
        for number in 0..<40 {
            _ = try node.client.put(Path.key("k\(number)"), [UInt8](repeating: 7, count: 1000))
        }
        try node.stop()
        let incarnations = try FileSystem.list("\(node.dataPath)/data")
        let log = "\(node.dataPath)/data/\(try #require(incarnations.first))/log"
        let segments = try FileSystem.list(log)
        #expect(segments.count > 2)
        for segment in [segments[0], segments[1]] {
            let path = "\(log)/\(segment)"
            let sound = try FileSystem.readAll(path)
            var bytes = sound
            bytes[bytes.count / 2] ^= 0x10
            try File(path, .readWrite).write(bytes, at: 0)
            let run = try convoy("check", node.dataPath)
            #expect(run.exitCode != 0)
            #expect((run.text + run.errors).contains(segment), "\(run.text) \(run.errors)")
            try File(path, .readWrite).write(sound, at: 0)
        }
        #expect(try convoy("check", node.dataPath).exitCode == 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `flags can be given in the environment`() throws {
        let node = try ConvoyProcess(
            name: "n7", in: try #require(ScratchDirectory.current))
        let run = try CommandRun(
            "/usr/bin/env",
            ["CONVOY_SYNC=never", try ConvoyBinary.path(), "serve", "--data", node.dataPath])
        #expect(run.exitCode != 0)
        #expect(run.errors.contains("never"))
    }

    @Test(.timeLimit(.minutes(3)))
    func `two processes never share a directory`() throws {
        let node = try TestCluster().primary
        let run = try CommandRun(
            try ConvoyBinary.path(),
            ["serve", "--data", node.dataPath, "--http", "127.0.0.1:\(try FreePort.take())"])
        #expect(run.exitCode != 0)
        #expect(run.errors.contains(node.dataPath), "\(run.errors)")
        #expect(try node.client.put(Path.key("k"), [1]).status == 201)
    }
}
