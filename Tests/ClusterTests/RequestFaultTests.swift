import ClusterKit
import JSON
import Testing

/// Whatever is wrong with a request: a problem document that says so, and nothing done.
@Suite(.cluster) struct RequestFaultTests {
    @Test(.timeLimit(.minutes(3)))
    func `every fault of a request is a problem with its own status`() throws {
        let client = try TestCluster().primary.client
        func expect(
            _ status: Int, _ code: String?, _ answer: TestAnswer,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(answer.status == status, "\(answer)", sourceLocation: sourceLocation)
            #expect(answer.problem != nil, "\(answer)", sourceLocation: sourceLocation)
            if let code { #expect(answer.problem == code, sourceLocation: sourceLocation) }
            #expect(
                answer["status"]?.integerValue == Int64(status), sourceLocation: sourceLocation)
            #expect(
                answer["type"]?.stringValue == "/problems/\(answer.problem ?? "")",
                sourceLocation: sourceLocation)
            #expect(answer["detail"]?.stringValue?.isEmpty == false, sourceLocation: sourceLocation)
            #expect(answer["request_id"]?.stringValue != nil, sourceLocation: sourceLocation)
        }
        let json = ("Content-Type", "application/json")
        func post(_ body: String, _ headers: [(String, String)]) throws -> TestAnswer {
            try client.ask("POST", "/v1/namespaces", body: Array(body.utf8), headers: headers)
        }
        try expect(404, "not-found", client.get("/v1/nowhere"))
        try expect(404, "not-found", client.get("/nowhere"))
        try expect(404, "not-found", client.get("/v1/namespaces/nobody"))
        try expect(404, "not-found", client.get("/v1/nodes/nobody"))
        try expect(404, "not-found", client.get("/v1/operations/op_0"))
        try expect(404, "not-found", client.get(Path.key("k", in: "nobody")))
        try expect(415, nil, post(#"{"name":"a"}"#, [("Content-Type", "text/plain")]))
        try expect(415, nil, post(#"{"name":"a"}"#, []))
        try expect(400, "malformed-json", post(#"{"name":"#, [json]))
        try expect(400, "malformed-json", post("", [json]))
        try expect(400, "malformed-json", post(#"{"name":"a","name":"b"}"#, [json]))
        try expect(400, "unknown-field", post(#"{"name":"a","colour":"red"}"#, [json]))
        let refused = try post(#"{"name":"UPPER CASE"}"#, [json])
        #expect([400, 422].contains(refused.status), "\(refused)")
        #expect(refused.problem != nil)
        let untyped = try post(#"{"name":7}"#, [json])
        #expect([400, 422].contains(untyped.status), "\(untyped)")
        let deep = String(repeating: "[", count: 100_000)
        try expect(413, "too-large", post(deep, [json]))
        let long = #"{"name":""# + String(repeating: "a", count: 2 << 20) + #""}"#
        try expect(413, "too-large", post(long, [json]))
        let twice = try client.post(
            "/v1/namespaces/batch", ["create": [["name": "b"], ["name": "b"]]])
        expect(422, "validation-failed", twice)
        #expect(twice["errors"]?[0]?["pointer"] == "/create/1/name")
        #expect(try client.namespaceNames() == ["default"])

        try expect(400, nil, client.get("/v1/sync?wait=happiness"))
        try expect(400, nil, client.get("/v1/sync?wait=in_sync&timeout=yesterday"))
        try expect(400, nil, client.get("/v1/sync?wait=in_sync&timeout=3600s"))
        try expect(400, nil, client.get("/v1/nodes/self?wait=in_sync"))
        try expect(400, nil, client.get("/v1/sync?colour=red"))
    }

    @Test(.timeLimit(.minutes(3)))
    func `a wrong method is answered with the right ones`() throws {
        let client = try TestCluster().primary.client
        let wrong: [(method: String, path: String, allowed: [String])] = [
            ("DELETE", "/v1/sync", ["GET"]), ("POST", "/v1/topology", ["GET", "PUT"]),
            ("PUT", "/v1/namespaces", ["GET", "POST"]), ("GET", "/v1/barriers", ["POST"]),
            ("POST", Path.key("k"), ["DELETE", "GET", "HEAD", "PUT"]), ("PATCH", "/livez", ["GET"]),
            ("OPTIONS", "/v1/namespaces", ["GET", "POST"]),
        ]
        for (method, path, allowed) in wrong {
            let answer = try client.ask(method, path)
            #expect(answer.status == 405, "\(answer)")
            #expect(answer.problem == "method-not-allowed")
            let told = Set((answer.header("Allow") ?? "").split(separator: ", ").map(String.init))
            #expect(told.isSuperset(of: allowed), "\(method) \(path): Allow is \(told)")
            #expect(!told.contains(method))
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `over-long requests are refused and the node lives on`() throws {
        let node = try TestCluster().primary
        let long = String(repeating: "x", count: 300 << 10)
        for text in [
            "GET /\(long) HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: \(long)\r\n\r\n",
        ] {
            let answer = try raw(node, text)
            #expect(!answer.contains("200 OK"), "\(answer.prefix(200))")
        }
        let name = String(repeating: "n", count: 65)
        let refused = try node.client.post("/v1/namespaces", ["name": .string(name)])
        #expect([400, 422].contains(refused.status))
        #expect(try node.client.get("/livez").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `what is not HTTP does no harm`() throws {
        let node = try TestCluster().primary
        for text in [
            "GET\r\n\r\n", "\r\n\r\n\r\n", "\u{0}\u{1}\u{2}", "GET / HTTP/9.9\r\n\r\n",
            "PUT \(Path.key("k")) HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            "PUT \(Path.key("k")) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ] {
            let answer = try raw(node, text)
            #expect(!answer.hasPrefix("HTTP/1.1 2"), "\(text.prefix(60)): \(answer.prefix(200))")
        }
        #expect(try node.client.get(Path.key("k")).status == 404)
    }

    /// Sends the bytes as they are, and answers what comes until the end or silence.
    private func raw(_ node: ConvoyProcess, _ text: String) throws -> String {
        let socket = try Socket.connected(to: node.port)
        _ = socket.write(Array(text.utf8))  // A node that hangs up first is right to do so.
        return String(decoding: socket.readToEnd(idle: .seconds(1)), as: UTF8.self)
    }
}
