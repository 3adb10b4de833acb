import ClusterKit
import JSON
import Testing

/// A namespace's token opens that namespace and nothing else, and is never seen again.
@Suite(.cluster) struct NamespaceTokenTests {
    @Test(.timeLimit(.minutes(1)))
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

    @Test(.timeLimit(.minutes(1)))
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

    @Test(.timeLimit(.minutes(1)))
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
            let found = try CommandRun(
                "/usr/bin/grep",
                ["--recursive", "--text", "--fixed-strings", "-l", secret, node.directory])
            #expect(found.exitCode == 1, "the secret is in \(found.text)")
        }
        #expect(try client.with(token: token).get(Path.key("k", in: "alpha")).status == 200)
    }
}
