import ClusterKit
import JSON
import Testing

/// The page's session, without a browser.
@Suite(.cluster) struct SessionTests {
    private func logIn(_ client: TestClient, _ token: String) throws -> TestAnswer {
        try client.post("/v1/session", ["token": .string(token)])
    }

    /// `name=value` of the cookie that an answer sets.
    private func cookie(_ answer: TestAnswer) throws -> String {
        let field = try #require(answer.header("Set-Cookie"))
        for part in ["Path=/", "Max-Age=28800", "HttpOnly", "SameSite=Strict"] {
            #expect(field.contains("; \(part)"), "\(field)")
        }
        return String(field.split(separator: ";")[0])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a session may do what its token may, from the own page alone, until it is ended`() throws
    {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let scopes: JSONValue = ["cluster:read", "namespaces:write", "tokens:admin"]
        let made = try client.post("/v1/tokens", ["scopes": scopes]).expecting(201)
        let token = try #require(made["token"]?.stringValue)
        let answer = try logIn(client, token).expecting(201)
        #expect(!answer.text.contains(token))
        let cookie = try cookie(answer)
        #expect(cookie.hasPrefix("convoy_n1="))
        #expect(!cookie.contains(token))

        let own = ("Origin", client.base)
        func ask(_ method: String, _ path: String, _ more: (String, String)...) throws -> Int {
            try client.ask(
                method, path, body: method == "PUT" ? [1] : nil,
                headers: [("Cookie", "a=b; \(cookie); c=d")] + more
            ).status
        }
        #expect(try ask("GET", "/v1/sync") == 200)
        #expect(try ask("GET", "/v1/whoami") == 200)
        #expect(try ask("PUT", Path.key("k"), own) == 201)
        #expect(try ask("PUT", Path.key("k"), ("Sec-Fetch-Site", "same-origin")) == 204)
        #expect(try ask("POST", "/v1/barriers", own) == 403, "its token has no such scope")
        // A browser sends the cookie by itself: a change must say where it comes from.
        #expect(try ask("PUT", Path.key("k")) == 403)
        #expect(try ask("PUT", Path.key("k"), ("Origin", "http://evil.example")) == 403)
        #expect(try ask("PUT", Path.key("k"), ("Sec-Fetch-Site", "cross-site")) == 403)
        #expect(try client.get("/v1/sync", headers: [("Cookie", "convoy_n1=x")]).status == 401)
        #expect(
            try client.get("/v1/sync", headers: [("Cookie", cookie + "x")]).status == 401)

        let out = try client.ask("DELETE", "/v1/session", headers: [("Cookie", cookie), own])
        #expect(out.status == 204)
        #expect(out.header("Set-Cookie")?.contains("Max-Age=0") == true)
        #expect(try ask("GET", "/v1/sync") == 401)

        // A restart ends it, and so does the end of its token.
        let second = try self.cookie(try logIn(client, token).expecting(201))
        #expect(try client.get("/v1/sync", headers: [("Cookie", second)]).status == 200)
        try cluster.primary.stop()
        try cluster.primary.start()
        #expect(try client.get("/v1/sync", headers: [("Cookie", second)]).status == 401)
        let third = try self.cookie(try logIn(client, token).expecting(201))
        let id = try #require(made["id"]?.stringValue)
        _ = try client.with(token: token)
            .post("/v1/tokens/\(id)/rotate", ["grace_seconds": 0]).expecting(201)
        #expect(try client.get("/v1/sync", headers: [("Cookie", third)]).status == 401)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a login needs a token that reads the cluster, and a page of this node`() throws {
        let client = try TestCluster().primary.client
        let tenant = try client.createNamespace("alpha")
        #expect(try logIn(client, tenant)["scope"] == "cluster:read")
        #expect(try logIn(client, "nonsense").status == 401)
        #expect(try client.post("/v1/session", [:]).status == 422)
        let foreign = try client.post(
            "/v1/session", ["token": "x"], headers: [("Origin", "http://evil.example")])
        #expect(foreign.problem == "bad-origin")
        // On an open node a cookie that is none changes nothing.
        #expect(try client.get("/v1/sync", headers: [("Cookie", "convoy_n1=x")]).status == 200)
    }
}
