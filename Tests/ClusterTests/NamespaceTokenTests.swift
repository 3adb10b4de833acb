import ClusterKit
import JSON
import Testing

/// A namespace's token opens that namespace and nothing else, and is never seen again.
@Suite(.cluster) struct NamespaceTokenTests {
    @Test(.timeLimit(.minutes(3)))
    func `a token sees its own namespace only`() throws {
        let client = try TestCluster().primary.client
        let alpha = client.with(token: try client.createNamespace("alpha"))
        _ = try client.createNamespace("beta")
        _ = try client.put(Path.key("secret", in: "beta"), [1])

        #expect(try alpha.put(Path.key("k", in: "alpha"), [2]).status == 201)
        #expect(try alpha.get(Path.key("k", in: "alpha")).body == [2])
        #expect(try alpha.get("/v1/namespaces/alpha/keys").status == 200)
        #expect(try alpha.get("/v1/namespaces/alpha")["name"] == "alpha")
        #expect(try alpha.post("/v1/namespaces/alpha/flush").status == 200)
        #expect(
            try alpha.list("/v1/namespaces").map { $0["name"] } == ["alpha"])

        for name in ["beta", "default", "no-such"] {
            let operations: JSONValue = ["operations": [["op": "delete", "key": "secret"]]]
            for answer in [
                try alpha.get(Path.key("secret", in: name)),
                try alpha.put(Path.key("secret", in: name), [3]),
                try alpha.delete(Path.key("secret", in: name)),
                try alpha.get("/v1/namespaces/\(name)"),
                try alpha.get("/v1/namespaces/\(name)/keys"),
                try alpha.post("/v1/namespaces/\(name)/flush"),
                try alpha.post("/v1/namespaces/\(name)/batch", operations),
            ] {
                #expect(answer.status == 404, "\(answer)")
            }
        }
        #expect(try client.get(Path.key("secret", in: "beta")).body == [1])

        for path in [
            "/v1/nodes", "/v1/nodes/self", "/v1/topology", "/v1/topology/drift", "/v1/links",
            "/v1/sync", "/v1/operations", "/metrics",
        ] {
            let answer = try alpha.get(path)
            #expect(answer.status == 403, "\(answer)")
            #expect(answer.problem == "forbidden")
        }
        #expect(try alpha.post("/v1/namespaces", ["name": "gamma"]).status == 403)
        #expect(try alpha.post("/v1/barriers").status == 403)
        #expect(try alpha.delete("/v1/namespaces/alpha").status == 403)
        #expect(try alpha.get("/livez").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a wrong token is refused everywhere`() throws {
        let client = try TestCluster().primary.client
        let token = try client.createNamespace("alpha")
        var changed = Array(token)
        changed[token.count - 20] = changed[token.count - 20] == "a" ? "b" : "a"
        for wrong in [String(changed), "cvy_", "cvy_x_y_z", "hunter2", String(token.dropLast())] {
            let answer = try client.with(token: wrong).get("/v1/namespaces/alpha/keys")
            #expect(answer.status == 401, "\(answer)")
            #expect(answer.header("WWW-Authenticate") != nil)
            #expect(try client.with(token: wrong).put(Path.key("k"), [1]).status == 401)
        }
        let basic = try client.get("/v1/sync", headers: [("Authorization", "Basic dTpw")])
        #expect(basic.status == 401)

        _ = try client.delete("/v1/namespaces/alpha").expecting(200)
        let late = try client.with(token: token).get("/v1/namespaces/alpha/keys")
        #expect(late.status == 401, "a deleted namespace's token opens nothing: \(late)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token is in no later answer, no file and no log`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let token = try client.createNamespace("alpha")
        let secret = String(token.suffix(30))
        _ = try client.with(token: token).put(Path.key("k", in: "alpha"), [1]).expecting(201)
        _ = try client.with(token: token).get("/v1/nodes").expecting(403)
        _ = try client.with(token: token + "x").get("/v1/nodes").expecting(401)
        for node in cluster.nodes {
            try node.client.waitUntilApplied(try client.barrier())
            for path in [
                "/v1/namespaces", "/v1/namespaces/alpha", "/v1/namespaces/alpha/keys", "/v1/nodes",
                "/v1/sync", "/v1/topology", "/v1/operations", "/v1/links", "/metrics", "/",
            ] {
                #expect(!(try node.client.get(path).text.contains(secret)), "\(path)")
            }
        }
        for node in cluster.nodes {
            try node.stop()
            try node.start()
        }
        for node in cluster.nodes {
            // While it runs, files go between grep's list of them and its look.
            try node.stop()
            let found = try CommandRun(
                "/usr/bin/grep",
                ["--recursive", "--text", "--fixed-strings", "-l", secret, node.directory])
            #expect(found.exitCode == 1, "the secret is in \(found.text) \(found.errors)")
            try node.start()
        }
        #expect(try client.with(token: token).get(Path.key("k", in: "alpha")).status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a namespace's tokens outlive a rename, a full sync and a new primary, and end with it`()
        throws
    {
        let cluster = try TestCluster()
        let primary = cluster.primary.client
        let first = try primary.createNamespace("alpha")
        func make(_ scope: String, seconds: Int? = nil) throws -> (id: String, token: String) {
            let made = try primary.post(
                "/v1/namespaces/alpha/tokens",
                [
                    "scopes": [.string(scope)],
                    "expires_in_seconds": seconds.map { JSONValue($0) } ?? 86_400,
                ]
            ).expecting(201)
            return (
                try #require(made["id"]?.stringValue), try #require(made["token"]?.stringValue)
            )
        }
        let (reader, writer, admin) = (try make("read"), try make("write"), try make("admin"))
        let short = try make("read", seconds: 1)
        let shortAgain = primary.with(token: short.token)
        _ = try primary.ask("PATCH", "/v1/namespaces/alpha", json: ["name": "beta"]).expecting(200)
        let rotated = try primary.post(
            "/v1/namespaces/beta/tokens/\(reader.id)/rotate", ["grace_seconds": 600]
        ).expecting(201)
        let next = try #require(rotated["token"]?.stringValue)

        // What each may do, wherever it is asked and whoever reigns.
        func check(_ node: ConvoyProcess, isPrimary: Bool) throws {
            let key = Path.key("k", in: "beta")
            for token in [first, reader.token, next] {
                let answer = try node.client.with(token: token).get(key)
                #expect(answer.status == 200, "\(node.name): \(answer)")
            }
            #expect(try node.client.with(token: writer.token).get(key).status == 403)
            #expect(try node.client.with(token: next).put(key, [1]).status == 403)
            #expect(try node.client.with(token: admin.token).get(key).status == 403)
            let put = try node.client.with(token: writer.token).put(key, [1])
            #expect(put.status == (isPrimary ? 204 : 421), "\(node.name): \(put)")
            #expect(try node.client.with(token: short.token).get(key).status == 401, "it has ended")
            let tokens = try node.client.with(token: admin.token).list(
                "/v1/namespaces/beta/tokens")
            #expect(tokens.count == 6)
            let used = tokens.first { $0["id"]?.stringValue == writer.id }
            #expect(used?["last_used_at"]?.stringValue != nil, "seen at \(node.name)")
            #expect(
                try node.client.with(token: first).get(Path.key("k", in: "alpha")).status == 404)
        }
        _ = try primary.put(Path.key("k", in: "beta"), [1]).expecting(201)
        try poll(within: .seconds(20), for: "the end of the short token") {
            try shortAgain.get(Path.key("k", in: "beta")).status == 401 ? true : nil
        }
        try check(cluster.primary, isPrimary: true)
        let second = try cluster.addReplica()
        try check(second, isPrimary: false)
        try primary.switchOver(from: "n1", to: "n2")
        try second.client.waitUntilInSync()
        try check(second, isPrimary: true)
        try check(cluster.primary, isPrimary: false)

        let removed = try second.client.delete("/v1/namespaces/beta").expecting(200)
        let index = try #require(PositionView(removed["position"])).index
        _ = try second.client.createNamespace("beta")
        for isRestarted in [false, true] {
            for node in cluster.nodes {
                try node.client.waitUntilApplied(index)
                for token in [first, reader.token, next, writer.token, admin.token] {
                    let answer = try node.client.with(token: token).get("/v1/namespaces")
                    #expect(answer.status == 401, "\(node.name): \(answer)")
                }
                if !isRestarted {
                    try node.stop()
                    try node.start()
                }
            }
        }
    }
}
