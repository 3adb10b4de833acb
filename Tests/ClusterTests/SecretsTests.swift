import ClusterKit
import Glibc
import HTTPClient
import JSON
import Platform
import Testing

/// After a run that used tokens of every kind, a session and the cluster secret, none of their secrets is
/// anywhere but in the answer that gave it out.
@Suite(.cluster) struct SecretsTests {
    @Test(.timeLimit(.minutes(4)))
    func `no secret is in any file, log line, metric or later answer`() throws {
        let cluster = try TestCluster(empty: [])
        // Not in a node's directory: that one is searched.
        let secretFile = "\(cluster.scratch.path(for: "secret"))"
        let shared = "the secret of this very cluster"
        try FileSystem.replace(secretFile, with: Array(shared.utf8))
        for _ in 0..<2 {
            let node = try cluster.makeNode()
            node.setFlags(["--cluster-secret-file", secretFile])
            try cluster.start(node)
        }
        let open = cluster.primary.client
        try cluster.takeIn(cluster[1])
        var secrets = [String(shared.suffix(12))]
        func keep(_ answer: TestAnswer) throws -> String {
            let token = try #require(answer["token"]?.stringValue, "\(answer)")
            secrets.append(String(token.suffix(30)))
            return token
        }
        let tenant = try keep(try open.post("/v1/namespaces", ["name": "alpha"]).expecting(201))
        let batch = try open.post("/v1/namespaces/batch", ["create": [["name": "beta"]]])
            .expecting(201)
        secrets.append(
            String(
                try #require(batch["items"]?.arrayValue?.first?["token"]?.stringValue).suffix(30)))
        let scopes: JSONValue = [
            "cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin",
        ]
        let first = try open.post("/v1/tokens", ["scopes": scopes]).expecting(201)
        let admin = open.with(token: try keep(first))
        let path = "/v1/namespaces/alpha/tokens"
        let made = try admin.post(path, ["scopes": ["read"], "description": "doomed"])
            .expecting(201)
        _ = try keep(made)
        let id = try #require(made["id"]?.stringValue)
        let rotated = try admin.post("\(path)/\(id)/rotate", ["grace_seconds": 60]).expecting(201)
        let reader = open.with(token: try keep(rotated))
        let login = try open.post("/v1/session", ["token": .string(try #require(admin.token))])
            .expecting(201)
        let cookie = try #require(login.header("Set-Cookie")).split(separator: ";")[0]
        secrets.append(String(cookie.suffix(30)))

        // What is right, what is wrong, and what goes wrong on the way.
        _ = try open.with(token: tenant).put(Path.key("k", in: "alpha"), [1]).expecting(201)
        _ = try reader.get(Path.key("k", in: "alpha")).expecting(200)
        _ = try reader.put(Path.key("k", in: "alpha"), [1]).expecting(403)
        _ = try open.with(token: tenant + "x").get("/v1/nodes").expecting(401)
        _ = try open.post("/v1/session", ["token": .string(tenant + "x")]).expecting(401)
        _ = try open.get("/v1/sync", headers: [("Cookie", String(cookie))]).expecting(200)
        _ = try admin.post("/v1/tokens", ["token": .string(tenant)]).expecting(400)
        _ = try admin.delete("\(path)/\(id)").expecting(200)
        cluster.primary.send(SIGHUP)
        // Asked of the primary: the other one knows the token no sooner than that.
        try admin.waitUntilApplied(try admin.barrier(), at: cluster[1].name)

        func search(_ text: String, _ where: String) {
            for (place, secret) in secrets.enumerated() where text.contains(secret) {
                Issue.record("secret \(place) is in \(`where`)")
            }
        }
        for node in cluster.nodes {
            let client = node.client.with(token: admin.token)
            for path in [
                "/v1/namespaces", "/v1/namespaces/alpha", "/v1/namespaces/alpha/keys", path,
                "/v1/tokens", "/v1/whoami", "/v1/nodes", "/v1/nodes/self", "/v1/sync",
                "/v1/topology", "/v1/topology/history", "/v1/topology/drift", "/v1/operations",
                "/v1/links", "/v1/audit", "/v1/audit/verify", "/metrics", "/version", "/",
                "/openapi.json",
            ] {
                let answer = try client.get(path).expecting(200)
                let headers = answer.response.headers.map { "\($0): \($1)" }.joined(separator: "\n")
                search(answer.text + headers, path)
            }
        }
        for node in cluster.nodes {
            try node.stop()
            try node.start()
            try node.stop()
        }
        for (place, secret) in secrets.enumerated() {
            for node in cluster.nodes {
                let found = try CommandRun(
                    "/usr/bin/grep",
                    ["--recursive", "--text", "--fixed-strings", "-l", secret, node.directory])
                #expect(found.exitCode == 1, "secret \(place) is in \(found.text)")
            }
        }
        #expect(secrets.count == 7)
    }

    /// What tenants store is theirs: the node serves it and says nothing of it, whatever goes wrong.
    @Test(.timeLimit(.minutes(4)))
    func `no value and no key of a tenant is in a log line, an event, the audit or a metric`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        _ = try client.createNamespace("alpha")
        _ = try client.ask("PATCH", "/v1/namespaces/alpha", json: ["quota_bytes": 4096]).expecting(
            200)
        let (key, value) = ("kept-under-this-key", "what-the-tenant-keeps")
        let path = Path.key(key, in: "alpha")
        let body = Array(value.utf8)
        let json = [("Content-Type", "application/json")]
        _ = try client.put(path + "?ttl_seconds=60", body).expecting(201)
        _ = try client.put(path + "?acks=2&timeout=50ms", body).expecting(504)
        let large = [UInt8](repeating: 0x20, count: 8192) + body
        let batch = "/v1/namespaces/alpha/batch"
        for (answer, status) in [
            (try client.put(path, body, headers: [("If-None-Match", "*")]), 412),
            (try client.put(path, large), 507),
            (try client.put(path + "?ttl_seconds=\(value)", body), 400),
            (try client.put(Path.key(key, in: value), body), 404),
            (try client.get(Path.key(key, in: value)), 404),
            (
                try client.post(
                    batch, ["operations": [["op": "check", "key": .string(key), "exists": false]]]),
                412
            ),
            (
                try client.post(
                    batch,
                    ["operations": [["op": "put", "key": .string(key), "valeu": .string(value)]]]),
                400
            ),
            (
                try client.ask(
                    "POST", batch, body: Array("{\"operations\":[\"\(value)\"".utf8), headers: json),
                400
            ), (try cluster[1].client.put(path, body), 421),
        ] {
            #expect(answer.status == status, "\(answer)")
            // Words of the request may come back, as in which field is unknown; what is stored never does.
            #expect(!answer.text.contains(value) || status == 400 || status == 404, "\(answer)")
        }
        #expect(try client.get(path).body == body)
        _ = try client.post("/v1/namespaces/alpha/flush").expecting(200)
        try cluster[1].client.waitUntilApplied(try client.barrier())
        cluster.primary.kill()
        try cluster.primary.start()

        for node in cluster.nodes {
            for path in [
                "/v1/events", "/v1/audit?page_size=1000", "/metrics", "/v1/nodes/self", "/v1/links",
                "/v1/operations", "/v1/sync", "/",
            ] {
                let text = try node.client.get(path).expecting(200).text
                #expect(!text.contains(key) && !text.contains(value), "\(node.name) \(path)")
            }
            let log = node.errorsTail(lines: .max)
            #expect(!log.isEmpty && !log.contains(key) && !log.contains(value), "\(node.name)")
        }
    }
}
