import ClusterKit
import JSON
import Platform
import Testing

/// `convoy token create`, and where a node may listen before and after it.
@Suite(.cluster) struct ExposureTests {
    private func convoy(_ arguments: [String]) throws -> CommandRun {
        try CommandRun(try ConvoyBinary.path(), arguments)
    }

    @Test(.timeLimit(.minutes(3)))
    func `an open node serves its own machine only, and writes nothing when it is asked for more`()
        throws
    {
        let cluster = try TestCluster(empty: [])
        let node = try cluster.makeNode()
        let run = try convoy([
            "serve", "--data", node.dataPath, "--http", "0.0.0.0:\(node.port)", "--advertise",
            node.address,
        ])
        #expect(run.exitCode != 0)
        #expect(run.errors.contains("convoy token create --admin"), "\(run.errors)")
        #expect(!FileSystem.exists(node.dataPath))

        // Nor does one that has data already.
        try cluster.start(node)
        try node.stop()
        let again = try convoy([
            "serve", "--data", node.dataPath, "--http", "0.0.0.0:\(node.port)", "--advertise",
            node.address,
        ])
        #expect(again.exitCode != 0)
        #expect(again.errors.contains("convoy token create --admin"), "\(again.errors)")
        let health = try convoy([
            "serve", "--data", node.dataPath, "--http", "127.0.0.1:\(node.port)", "--health",
            "0.0.0.0:0",
        ])
        #expect(health.exitCode != 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token that is made offline is the first, and opens the node that serves everybody`()
        throws
    {
        let cluster = try TestCluster(empty: [])
        let node = try cluster.makeNode()
        let run = try convoy([
            "token", "create", "--admin", "--data", node.dataPath, "--name", node.name,
            "--description", "first",
        ])
        #expect(run.exitCode == 0, "\(run.errors)")
        let token = run.text.split(separator: "\n").map(String.init).last ?? ""
        #expect(token.hasPrefix("cvy_ad_"))

        node.setFlags(["--http", "0.0.0.0:\(node.port)", "--advertise", node.address])
        try node.start()
        let running = try convoy(["token", "create", "--admin", "--data", node.dataPath])
        #expect(running.exitCode != 0)
        #expect(running.errors.contains("in use"), "\(running.errors)")
        let admin = node.client.with(token: token)
        #expect(try node.client.get("/v1/sync").status == 401)
        #expect(try admin.get("/v1/sync").status == 200)
        let items = try admin.list("/v1/tokens")
        #expect(items.compactMap { $0["description"]?.stringValue } == ["first"])
        #expect(try admin.get("/v1/nodes/self")["address"] == .string(node.address))

        // A second one, for whoever has lost the first.
        try node.stop()
        let narrow = try convoy([
            "token", "create", "--admin", "--data", node.dataPath, "--scope", "cluster:read",
        ])
        #expect(narrow.exitCode == 0, "\(narrow.errors)")
        try node.start()
        let reader = node.client.with(
            token: narrow.text.split(separator: "\n").map(String.init).last)
        #expect(try reader.get("/v1/sync").status == 200)
        #expect(try reader.post("/v1/barriers").status == 403)
        #expect(try admin.get("/v1/nodes/self")["address"] == .string(node.address))
        #expect(try convoy(["token", "create", "--data", node.dataPath]).exitCode != 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `in a cluster of two a lost token is replaced where the primary was`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster[0], cluster[1])
        _ = try primary.client.post("/v1/tokens", ["scopes": ["tokens:admin"]]).expecting(201)
        try replica.stop()
        let wrong = try convoy(["token", "create", "--admin", "--data", replica.dataPath])
        #expect(wrong.exitCode != 0)
        #expect(wrong.errors.contains("not the primary"), "\(wrong.errors)")
        #expect(!wrong.text.contains("cvy_"))
        try primary.stop()
        let run = try convoy(["token", "create", "--admin", "--data", primary.dataPath])
        #expect(run.exitCode == 0, "\(run.errors)")
        let token = run.text.split(separator: "\n").map(String.init).last
        try primary.start()
        try replica.start()
        let admin = primary.client.with(token: token)
        try admin.waitUntilInSync()
        #expect(try admin.list("/v1/tokens").count == 2)
        #expect(try replica.client.with(token: token).get("/v1/sync").status == 200)
        #expect(try replica.client.with(token: token).node().fullSyncs == 1)
    }
}
