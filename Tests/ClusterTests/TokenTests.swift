import ClusterKit
import HTTPClient
import JSON
import Platform
import Testing

/// Tokens over HTTP: made, limited, replaced, ended, and what they open meanwhile.
@Suite(.cluster) struct TokenTests {
    private static let allScopes: JSONValue = [
        "cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin",
    ]

    /// Closes the node, and answers a client with an admin token.
    private func admin(_ client: TestClient) throws -> TestClient {
        let answer = try client.post("/v1/tokens", ["scopes": Self.allScopes]).expecting(201)
        return client.with(token: try #require(answer["token"]?.stringValue))
    }

    private func make(
        _ client: TestClient, _ path: String, _ body: JSONObject
    ) throws -> (id: String, token: String) {
        let answer = try client.post(path, .object(body)).expecting(201)
        return (
            try #require(answer["id"]?.stringValue), try #require(answer["token"]?.stringValue)
        )
    }

    @Test(.timeLimit(.minutes(3)))
    func `the first admin token closes the door for everybody without one`() throws {
        let client = try TestCluster().primary.client
        #expect(try client.get("/v1/whoami").expecting(200)["kind"] == "anonymous")
        let narrow = try client.post("/v1/tokens", ["scopes": ["cluster:read"]])
        #expect(narrow.status == 422, "\(narrow)")
        let tenant = try client.createNamespace("alpha")
        let admin = try admin(client)

        for path in ["/v1/sync", "/v1/namespaces", "/v1/whoami", "/metrics", Path.key("k")] {
            let answer = try client.get(path)
            #expect(answer.status == 401, "\(answer)")
            #expect(answer.header("WWW-Authenticate") != nil)
            #expect(try client.with(token: tenant).get(path).status != 200 || path != "/v1/sync")
        }
        #expect(try client.put(Path.key("k"), [1]).status == 401)
        #expect(try client.get("/livez").status == 200)
        #expect(try client.get("/").status == 200)

        let me = try admin.get("/v1/whoami").expecting(200)
        #expect(me["kind"] == "admin")
        #expect(me["scopes"] == Self.allScopes)
        let own = try client.with(token: tenant).get("/v1/whoami").expecting(200)
        #expect(own["namespace"] == "alpha")
        #expect(try admin.put(Path.key("k"), [1]).status == 201)
        let last = try admin.delete("/v1/tokens/\(try #require(me["id"]?.stringValue))")
        #expect(last.problem == "last-admin-token", "\(last)")
    }

    /// Else it would count, and nobody would know it.
    @Test(.timeLimit(.minutes(3)))
    func `the first token and its successor are shown though the replicas do not answer`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        try client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try client.waitUntilInSync()
        cluster[1].pause()
        let late = try client.put(Path.key("k") + "?timeout=300ms", [1])
        #expect(late.problem == "acks-timeout")
        let first = try admin(client)
        let id = try #require(first.get("/v1/whoami")["id"]?.stringValue)
        let rotated = try first.post("/v1/tokens/\(id)/rotate", ["grace_seconds": 0])
            .expecting(201)
        let second = client.with(token: try #require(rotated["token"]?.stringValue))
        #expect(try second.get("/v1/whoami").status == 200)
        #expect(try first.get("/v1/whoami").status == 401)
        cluster[1].resume()
        try second.waitUntilInSync()
    }

    /// The namespace is made, and nobody could ask for its first token again.
    @Test(.timeLimit(.minutes(3)))
    func `a namespace's first token is shown though the acknowledgements are late`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        try client.changeTopology { $0["min_in_sync_replicas"] = 1 }
        try client.waitUntilInSync()
        cluster[1].pause()
        let one = try client.post("/v1/namespaces", ["name": "one"])
        #expect(one.problem == "acks-timeout", "\(one)")
        let many = try client.post(
            "/v1/namespaces/batch", ["create": [["name": "two"], ["name": "three"]]])
        #expect(many.problem == "acks-timeout", "\(many)")
        cluster[1].resume()
        try client.waitUntilInSync()
        let items = many["items"]?.arrayValue ?? []
        let shown =
            [("one", one["token"])] + items.map { ($0["name"]?.stringValue ?? "", $0["token"]) }
        #expect(shown.map(\.0) == ["one", "two", "three"])
        for (name, token) in shown {
            let own = cluster[1].client.with(token: try #require(token?.stringValue))
            #expect(try own.get("/v1/namespaces/\(name)").status == 200, "\(name)")
        }
        // Made already, so there is nothing to show.
        let again = try client.post("/v1/namespaces", ["name": "one"])
        #expect(again.problem == "already-exists" && again["token"] == nil, "\(again)")
    }

    /// Its state goes before its port does.
    @Test(.timeLimit(.minutes(3)))
    func `a node that stops lets nobody in without a token, and forgets nothing on its way`() throws
    {
        let cluster = try TestCluster(nodes: 2)
        let node = cluster[1]
        let admin = try admin(cluster.primary.client)
        let generation = try #require(admin.get("/v1/topology")["generation"]?.integerValue)
        try admin.waitUntilInSync()
        let own = node.client.with(token: admin.token)
        for _ in 0..<3 {
            let findings = Monitor((isOver: false, findings: [String](), asked: 0))
            let threads = [node.client, own].map { client in
                WorkerThread(name: "asks") {
                    while !findings.withLock({ $0.isOver }) {
                        for path in ["/v1/sync", "/v1/topology", "/v1/nodes/self"] {
                            guard let answer = try? client.get(path) else { continue }
                            let shown =
                                answer["generation"] ?? answer["configured"]?["generation"]
                            let isWrong =
                                answer.status == 200
                                && (client.token == nil || shown?.integerValue != generation)
                            findings.update {
                                $0.asked += 1
                                if isWrong { $0.findings.append("\(answer)") }
                            }
                        }
                    }
                }
            }
            // So many answers at least, before it stops.
            let isAsked = findings.wait(until: .now() + .seconds(30)) { $0.asked > 10 ? true : nil }
            #expect(isAsked == true)
            try node.stop()
            findings.update { $0.isOver = true }
            for thread in threads { #expect(thread.join(until: .now() + .seconds(30))) }
            let found = findings.withLock { $0 }
            #expect(found.findings.isEmpty && found.asked > 10, "\(found.findings.prefix(3))")
            try node.start()
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `the first admin token is good where it is made`() throws {
        let client = try TestCluster().primary.client
        func make(_ networks: JSONValue) throws -> TestAnswer {
            try client.post("/v1/tokens", ["scopes": ["tokens:admin"], "networks": networks])
        }
        let far = try make(["10.0.0.0/8"])
        #expect(far.status == 422, "\(far)")
        #expect(far["errors"]?[0]?["code"] == "would-lock-out")
        #expect(try client.get("/v1/tokens").status == 200, "the node is open still")
        let near = try make(["10.0.0.0/8", "127.0.0.0/8"]).expecting(201)
        let admin = client.with(token: try #require(near["token"]?.stringValue))
        #expect(try admin.get("/v1/tokens").status == 200)
        #expect(try client.get("/v1/tokens").status == 401)
        // Whoever holds a token that is good anywhere may make others that are not.
        let other: JSONValue = ["scopes": ["tokens:admin"], "networks": ["10.0.0.0/8"]]
        #expect(try admin.post("/v1/tokens", other).status == 201)
    }

    @Test(.timeLimit(.minutes(3)))
    func `the last token that lasts cannot be revoked for one that ends`() throws {
        let client = try admin(try TestCluster().primary.client)
        let id = try #require(client.get("/v1/whoami")["id"]?.stringValue)
        let ending: JSONValue = ["scopes": ["tokens:admin"], "expires_in_seconds": 60]
        _ = try client.post("/v1/tokens", ending).expecting(201)
        #expect(try client.delete("/v1/tokens/\(id)").problem == "last-admin-token")
        let far: JSONValue = ["scopes": ["tokens:admin"], "networks": ["10.9.9.9/32"]]
        _ = try client.post("/v1/tokens", far).expecting(201)
        #expect(try client.delete("/v1/tokens/\(id)").problem == "last-admin-token")
        _ = try client.post("/v1/tokens", ["scopes": ["tokens:admin"]]).expecting(201)
        #expect(try client.delete("/v1/tokens/\(id)").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token that is revoked is dead at once on every node, and ends what waits with it`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let admin = try admin(cluster.primary.client)
        let doomed = try make(admin, "/v1/tokens", ["scopes": ["cluster:read"]])
        for node in cluster.nodes {
            try node.client.with(token: admin.token).waitUntilApplied(try admin.barrier())
            #expect(try node.client.with(token: doomed.token).get("/v1/sync").status == 200)
        }
        let waits = cluster.nodes.map { node in
            Waiting(node.client.with(token: doomed.token), "/v1/nodes/self?wait=applied:99999999")
        }
        let streams = try cluster.nodes.map { node in
            try EventReader(node.client.with(token: doomed.token))
        }
        for node in cluster.nodes {
            try poll(within: .seconds(30), for: "the request waits") {
                let metrics = try node.client.with(token: admin.token).get("/metrics")
                return Exposition(metrics.text).value("convoy_waits") == 1 ? true : nil
            }
        }
        let revoked = try admin.delete("/v1/tokens/\(doomed.id)").expecting(200)
        let index = try #require(PositionView(revoked["position"])).index
        for node in cluster.nodes {
            try node.client.with(token: admin.token).waitUntilApplied(index)
            #expect(try node.client.with(token: doomed.token).get("/v1/sync").status == 401)
        }
        for wait in waits {
            let answer = try #require(wait.answer(within: .seconds(30)))
            #expect(answer.status == 401, "\(answer)")
        }
        for stream in streams { _ = try stream.end() }
        let items = try admin.list("/v1/tokens")
        #expect(items.count == 1)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token that is replaced is good for its grace and no longer`() throws {
        let client = try TestCluster().primary.client
        let first = try client.createNamespace("alpha")
        let path = "/v1/namespaces/alpha/tokens"
        let old = client.with(token: first)
        let id = try #require(old.get("/v1/whoami")["id"]?.stringValue)

        // A namespace's own admin replaces its token. The grace outlasts what holds the test up.
        let answer = try old.post("\(path)/\(id)/rotate", ["grace_seconds": 300]).expecting(201)
        let new = client.with(token: try #require(answer["token"]?.stringValue))
        #expect(answer["replaced"]?["replaced_by"] == answer["id"])
        #expect(try old.get("/v1/namespaces/alpha/keys").status == 200)
        #expect(try new.get("/v1/namespaces/alpha/keys").status == 200)
        #expect(
            try old.post("\(path)/\(id)/rotate", ["grace_seconds": 2]).problem == "token-replaced")

        let middle = try #require(answer["id"]?.stringValue)
        let brief = try new.post("\(path)/\(middle)/rotate", ["grace_seconds": 1]).expecting(201)
        let newer = client.with(token: try #require(brief["token"]?.stringValue))
        try poll(within: .seconds(30), every: .milliseconds(50), for: "the token ends") {
            try new.get("/v1/namespaces/alpha/keys").status == 401 ? true : nil
        }
        #expect(try newer.put(Path.key("k", in: "alpha"), [1]).status == 201)
        let next = try #require(brief["id"]?.stringValue)
        let items = try newer.list(path)
        let states = [id, middle, next].map { id in
            items.first { $0["id"]?.stringValue == id }?["state"]?.stringValue
        }
        #expect(states == ["active", "expired", "active"])

        let last = try newer.post("\(path)/\(next)/rotate", ["grace_seconds": 0]).expecting(201)
        #expect(last["replaced"] == .null)
        #expect(try newer.get("/v1/namespaces/alpha/keys").status == 401)
        let after = client.with(token: try #require(last["token"]?.stringValue))
        #expect(try after.get("/v1/namespaces/alpha/keys").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token's limits hold`() throws {
        let client = try TestCluster().primary.client
        _ = try client.createNamespace("alpha")
        let path = "/v1/namespaces/alpha/tokens"
        let began = MonotonicTime.now()
        let brief = try make(client, path, ["scopes": ["read"], "expires_in_seconds": 1])
        let ending = client.with(token: brief.token)
        let early = try ending.get("/v1/namespaces/alpha/keys").status
        // A machine that was held up may have seen its end already.
        #expect(early == 200 || MonotonicTime.now() - began > .milliseconds(900))
        let lasting = try make(client, path, ["scopes": ["read"]])
        let read = client.with(token: lasting.token)
        #expect(try read.get("/v1/namespaces/alpha/keys").status == 200)
        let write = try read.put(Path.key("k", in: "alpha"), [1])
        #expect(write.status == 403)
        #expect(write["scope"] == "write")
        #expect(try read.get(path)["scope"] == "admin")
        try poll(within: .seconds(30), every: .milliseconds(50), for: "the token ends") {
            try ending.get("/v1/namespaces/alpha/keys").status == 401 ? true : nil
        }

        let far = try make(client, path, ["scopes": ["read"], "networks": ["10.0.0.0/8"]])
        let answer = try client.with(token: far.token).get("/v1/namespaces/alpha/keys")
        #expect(answer.problem == "network-not-allowed", "\(answer)")
        let near = try make(
            client, path, ["scopes": ["read"], "networks": ["127.0.0.0/8"], "description": "near"])
        #expect(
            try client.with(token: near.token).get("/v1/namespaces/alpha/keys").status == 200)
        let used = try client.list(path).filter {
            $0["last_used_at"] != .null && $0["id"]?.stringValue != brief.id
        }
        #expect(used.count == 2, "\(used)")
        #expect(used.contains { $0["description"] == "near" })

        for body: JSONValue in [
            [:], ["scopes": []], ["scopes": ["cluster:read"]], ["scopes": ["read", "read"]],
            ["scopes": ["read"], "networks": ["10.0.0.1/8"]],
            ["scopes": ["read"], "expires_in_seconds": 0], ["scopes": "read"],
            ["scopes": ["read"], "description": ""],
        ] {
            #expect(try client.post(path, body).status == 422, "\(body)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `who is wrong too often is slowed down, and who is right is not`() throws {
        let client = try TestCluster().primary.client
        let token = try client.createNamespace("alpha")
        var wrong = Array(token)
        wrong[20] = wrong[20] == "a" ? "b" : "a"
        let guesser = client.with(token: String(wrong))
        var statuses: [Int] = []
        for _ in 0..<120 { statuses.append(try guesser.get("/v1/namespaces").status) }
        #expect(statuses.first == 401)
        #expect(statuses.count { $0 == 401 } == 100)
        let refused = try guesser.get("/v1/namespaces")
        #expect(refused.problem == "too-many-failed-logins", "\(refused)")
        let seconds = try #require(refused.header("Retry-After").flatMap { Int($0) })
        #expect((1...61).contains(seconds))
        #expect(try client.with(token: token).get("/v1/namespaces").status == 200)
        #expect(try client.get("/v1/sync").status == 200)
    }
}

/// A request that waits on the server, on a thread of its own.
private final class Waiting: Sendable {
    private let outcome = Monitor<TestAnswer?>(nil)

    init(_ client: TestClient, _ path: String) {
        _ = WorkerThread(name: "waiting") { [outcome] in
            let answer = try? client.ask("GET", path + "&timeout=120s", waiting: .seconds(120))
            outcome.update { $0 = answer }
        }
    }

    func answer(within time: Duration) -> TestAnswer? {
        outcome.wait(until: .now() + time) { $0 }
    }
}

/// A node that a cluster with tokens takes in.
@Suite(.cluster) struct AdoptionOfTokensTests {
    @Test(.timeLimit(.minutes(2)))
    func `a node that is taken in wants the cluster's tokens before it has any of its data`() throws
    {
        let cluster = try TestCluster(empty: [])
        let (primary, proxy) = try cluster.makeNodeBehindProxy()
        let open = try cluster.start(primary).client
        try open.load((0..<400).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        let scopes: JSONValue = ["cluster:read", "topology:write", "tokens:admin"]
        let made = try open.post("/v1/tokens", ["scopes": scopes]).expecting(201)
        let admin = open.with(token: try #require(made["token"]?.stringValue))
        let node = try cluster.makeNode(flags: ["--full-sync-max-bytes-per-second", "800000"])
        try node.start()
        #expect(try node.client.get("/v1/sync").status == 200)
        // It gets no data before it was seen to be closed without any.
        proxy.conduct = .frozen
        let added = try admin.addNode(at: node.address).expecting(202)
        var seen: Set<String> = []
        let operation = try #require(added["id"]?.stringValue)
        _ = try poll(within: .seconds(60), every: .milliseconds(5), for: "it is taken in") {
            let answer = try node.client.get("/v1/sync")
            let mine = try admin.get("/v1/operations/\(operation)")
            seen.insert("\(answer.status) \(answer.problem ?? "")")
            if answer.problem == "not-ready" { proxy.conduct = .healthy }
            return mine["state"] == "succeeded" ? true : nil
        }
        // Open as long as it was its own, closed from its adoption on, also before its first sync.
        #expect(seen.isSubset(of: ["200 ", "503 not-ready", "401 unauthorized"]), "\(seen)")
        #expect(seen.contains("503 not-ready"), "\(seen)")
        #expect(try node.client.get("/v1/sync").status == 401)
        #expect(try node.client.with(token: admin.token).get("/v1/sync").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `without a secret nobody takes a node over that wants a token, or joins it`() throws {
        let cluster = try TestCluster()
        let open = cluster.primary.client
        _ = try open.put(Path.key("k"), [1]).expecting(201)
        let made = try open.post("/v1/tokens", ["scopes": ["cluster:read", "tokens:admin"]])
            .expecting(201)
        let admin = open.with(token: try #require(made["token"]?.stringValue))
        let thief = try cluster.makeNode()
        try thief.start()
        let taken = try thief.client.addNode(
            at: cluster.primary.address, options: ["discard_data": true])
        let operation = try #require(taken.expecting(202)["id"]?.stringValue)
        let joiner = try cluster.makeNode(flags: ["--join", cluster.primary.address])
        try joiner.start(until: .alive)
        for node in [thief, joiner] {
            try poll(within: .seconds(30), every: .milliseconds(50), for: "a refusal") {
                let text =
                    try node.client.get("/v1/nodes").text
                    + (node.name == thief.name
                        ? try node.client.get("/v1/operations/\(operation)").text : "")
                return text.contains("peer-not-trusted") ? true : nil
            }
        }
        #expect(try admin.nodeNames() == ["n1"])
        #expect(try admin.get("/v1/nodes/self")["configured"]?["role"] == "primary")
        #expect(try open.get(Path.key("k")).status == 401)
    }
}
