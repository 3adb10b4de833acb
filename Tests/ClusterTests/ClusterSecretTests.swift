import Access
import ClusterKit
import Glibc
import JSON
import Log
import Platform
import Replication
import Testing

/// Nodes that share a secret: who does not know it is nobody, and who was removed is nobody again.
@Suite(.cluster) struct SharedSecretTests {
    private static let old = "the old secret of this cluster"
    private static let new = "the new secret of this cluster"

    private func write(_ lines: [String], to path: String) throws {
        try FileSystem.replace(path, with: Array(lines.joined(separator: "\n").utf8))
    }

    /// Blocks until the node has read its secret again.
    private func reload(_ node: ConvoyProcess) throws {
        func count() -> Int {
            node.errorsTail(lines: 10_000).ranges(of: "the cluster secret was read again").count
        }
        let before = count()
        node.send(SIGHUP)
        try poll(within: .seconds(20), for: "\(node.name) reads its secret") {
            count() > before ? true : nil
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a secret is replaced while the nodes go on`() throws {
        let cluster = try TestCluster(empty: [])
        var files: [String] = []
        for _ in 0..<2 {
            let node = try cluster.makeNode()
            let file = "\(node.directory)/secret"
            try write([Self.old], to: file)
            node.setFlags(["--cluster-secret-file", file])
            try cluster.start(node)
            files.append(file)
        }
        try cluster.takeIn(cluster[1])
        let client = cluster.primary.client

        // A node that stands still for three seconds loses its link, whatever its secret is. Then
        // all is done once more, with the secrets the other way round.
        var (old, new) = (Self.new, Self.old)
        var hasStayed = false
        for _ in 0..<3 where !hasStayed {
            swap(&old, &new)
            try client.waitUntilInSync()
            let session = try links(client)
            for lines in [[old, new], [new, old], [new]] {
                // One node after the other, each time with a moment in which they differ.
                for (node, file) in zip(cluster.nodes, files) {
                    try write(lines, to: file)
                    try reload(node)
                    rest(.milliseconds(600))
                    let index = try client.put(Path.key("k"), [1]).expecting(201, 204).index
                    try cluster[1].client.waitUntilApplied(try #require(index))
                }
            }
            hasStayed = try links(client) == session
        }
        #expect(hasStayed, "the link ends each time")
        try client.waitUntilInSync()

        // The old one is worth nothing by now, also to a node that starts with it.
        try write([old], to: files[1])
        try cluster[1].stop()
        try cluster[1].start(until: .alive)
        try poll(within: .seconds(20), every: .milliseconds(100), for: "a refusal of the secret") {
            try cluster[1].client.node().lastError?.contains("secret") == true ? true : nil
        }
        // What cannot be read changes nothing.
        try write(["short"], to: files[0])
        cluster.primary.send(SIGHUP)
        try write([new], to: files[1])
        cluster[1].send(SIGHUP)
        try client.waitUntilInSync()
    }

    private func links(_ client: TestClient) throws -> [String] {
        let items = try client.get("/v1/links").expecting(200)["items"]?.arrayValue ?? []
        return items.compactMap { $0["id"]?.stringValue }
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `a node that was removed is refused though it knows the secret, and nobody's request is taken twice`()
        throws
    {
        let cluster = try TestCluster(empty: [])
        for _ in 0..<2 {
            let node = try cluster.makeNode()
            let file = "\(node.directory)/secret"
            try write([Self.old], to: file)
            node.setFlags(["--cluster-secret-file", file])
            try cluster.start(node)
        }
        try cluster.takeIn(cluster[1])
        let client = cluster.primary.client
        let position = try #require(try client.node().position)
        let status = try client.get("/replication/topology")
        #expect(status.problem == "peer-not-trusted", "without a signature: \(status)")
        let replica = try Signer(Self.old, of: cluster[1], number: 2)
        #expect(try replica.ask("GET", "/replication/topology", at: client).status == 200)
        let snapshot = try replica.ask("POST", "/replication/snapshots", at: client)
        #expect(snapshot.status == 201, "\(snapshot)")

        let once = try replica.headers("GET", "/replication/topology")
        #expect(try client.get("/replication/topology", headers: once).status == 200)
        let again = try client.get("/replication/topology", headers: once)
        #expect(again.problem == "peer-not-trusted")
        let other = once.map { $0.0 == "Convoy-Node" ? ("Convoy-Node", "1") : $0 }
        #expect(
            try client.get("/replication/topology", headers: other).problem == "peer-not-trusted")

        try cluster[1].stop()
        _ = try client.delete("/v1/nodes/n2").expecting(200)
        let log = "/replication/log?after=\(position.index)&hash=\(position.hash)"
        for (method, path) in [
            ("GET", log), ("POST", "/replication/snapshots"), ("POST", "/replication/acks"),
            ("POST", "/replication/promise"), ("POST", "/replication/resync"),
            ("GET", "/replication/tail?after=0&hash=\(String(repeating: "0", count: 32))"),
        ] {
            let answer = try replica.ask(method, path, at: client)
            #expect((400..<500).contains(answer.status), "\(answer)")
            #expect(!answer.text.contains("\"files\""), "\(answer)")
        }
        let answer = try replica.ask("GET", log, at: client)
        #expect(answer.problem == "not-in-topology", "\(answer)")
    }
}

/// Asks as a node does, with its secret.
private struct Signer {
    private let secret: ClusterSecret
    private var identity: PeerIdentity

    init(_ text: String, of node: ConvoyProcess, number: UInt16) throws {
        secret = try #require(ClusterSecret(text: text))
        identity = PeerIdentity(
            lineage: nil, number: NodeNumber(rawValue: number), name: node.name, reign: nil,
            generation: nil, session: "test")
        // Who belongs to no cluster yet may ask which one this is.
        let answer = try ask("GET", "/replication/topology", at: node.client).expecting(200)
        identity.lineage = answer.header("Convoy-Lineage").flatMap { Lineage(hex: $0) }
    }

    func headers(_ method: String, _ path: String, body: [UInt8] = []) throws -> [(String, String)]
    {
        let nonce = String(UInt64.random(in: 0...UInt64.max))
        let time = UnixMilliseconds.now()
        let signature = secret.signature(
            of: ClusterSecret.SignedRequest(
                method: method, target: path,
                identity: PeerIdentity.signedText(identity.headers), body: body, time: time,
                nonce: nonce))
        return identity.headers + [
            ("Convoy-Time", "\(time.rawValue)"), ("Convoy-Nonce", nonce),
            ("Convoy-Signature", signature),
        ]
    }

    func ask(_ method: String, _ path: String, at client: TestClient) throws -> TestAnswer {
        guard method == "POST" else {
            return try client.get(path, headers: try headers(method, path))
        }
        let body = Array("{}".utf8)
        return try client.ask(
            method, path, body: body,
            headers: try headers(method, path, body: body)
                + [("Content-Type", "application/json")])
    }
}
