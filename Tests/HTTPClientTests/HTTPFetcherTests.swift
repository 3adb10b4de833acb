import HTTPClient
import Testing

@Suite struct HTTPFetcherTests {
    private let fetcher = HTTPFetcher(userAgent: "convoy-test")

    @Test func `a request goes out as it was said and its answer comes back`() throws {
        let server = try ScriptedServer { connection in
            let request = connection.readRequest() ?? ""
            connection.answer(
                request, status: "418 Teapot", headers: "X-Kind:  Pot \r\nX-Kind: Two\r\n")
        }
        let answer = try fetcher.fetch(
            FetchRequest(
                method: "PUT", url: server.url("/a/../%2F?b=c"),
                headers: [("X-One", "1"), ("X-Empty", "")], body: Array("body".utf8),
                deadlines: .patient))
        let sent = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.status == 418)
        #expect(answer.header("x-kind") == "Pot")
        #expect(answer.headers.map(\.name) == ["X-Kind", "X-Kind", "Content-Length"])
        #expect(sent.hasPrefix("PUT /a/../%2F?b=c HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n"))
        #expect(sent.contains("User-Agent: convoy-test\r\n"))
        #expect(sent.contains("X-One: 1\r\nX-Empty:\r\n"))
        #expect(sent.hasSuffix("Content-Length: 4\r\n\r\nbody"))
        for unwanted in ["Expect", "Content-Type", "Cookie", "Authorization", "Accept-Encoding"] {
            #expect(!sent.contains(unwanted), "\(unwanted)")
        }
    }

    @Test func `a POST without a body says that it is empty`() throws {
        let server = try ScriptedServer { $0.answer($0.readRequest() ?? "") }
        let answer = try fetcher.fetch(
            FetchRequest(method: "POST", url: server.url(), deadlines: .patient))
        let sent = String(decoding: answer.body, as: UTF8.self)
        #expect(sent.hasPrefix("POST / HTTP/1.1\r\n"))
        #expect(sent.hasSuffix("Content-Length: 0\r\n\r\n"))
    }

    @Test func `HEAD brings the length and no body`() throws {
        let server = try ScriptedServer { connection in
            while connection.readRequest() != nil {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
            }
        }
        for _ in 0..<2 {
            let answer = try fetcher.fetch(
                FetchRequest(method: "HEAD", url: server.url(), deadlines: .patient))
            #expect(answer.head.contentLength == 99_999_999)
            #expect(answer.body.isEmpty)
        }
    }

    @Test func `a connection is used again, and replaced when the server has closed it`() throws {
        let server = try ScriptedServer { connection in
            for _ in 0..<2 where connection.readRequest() != nil { connection.answer("ok") }
        }
        let request = FetchRequest(url: server.url(), deadlines: .patient)
        for _ in 0..<2 { _ = try fetcher.fetch(request) }
        #expect(server.connectionCount == 1)
        for _ in 0..<2 {
            let answer = try fetcher.fetch(request)
            #expect(answer.status == 200)
        }
        #expect(server.connectionCount == 2)
    }

    @Test func `a redirect is an answer and is not followed`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.answer("", status: "302 Found", headers: "Location: /else\r\n")
        }
        let answer = try fetcher.fetch(FetchRequest(url: server.url(), deadlines: .patient))
        #expect(answer.status == 302)
        #expect(answer.header("location") == "/else")
        #expect(server.connectionCount == 1)
    }

    @Test func `interim responses and trailers are left out`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send("3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n")
        }
        let answer = try fetcher.fetch(FetchRequest(url: server.url(), deadlines: .patient))
        #expect(answer.status == 200)
        #expect(answer.headers.map(\.name) == ["Transfer-Encoding"])
        #expect(answer.body == Array("abc".utf8))
    }

    @Test(arguments: [
        "", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a b/", "http://\u{e9}/",
        "http://user:password@127.0.0.1/", "http://a\u{0}b/",
    ])
    func `what is no http URL is refused`(url: String) {
        let error = #expect(throws: FetchError.self) { try fetcher.fetch(FetchRequest(url: url)) }
        guard case .invalidURL = error else {
            Issue.record("\(url): \(String(describing: error))")
            return
        }
    }

    @Test func `a header cannot smuggle another line`() {
        let request = FetchRequest(url: "http://127.0.0.1:1/", headers: [("A", "b\r\nC: d")])
        #expect(throws: FetchError.invalidRequest("header A")) { try fetcher.fetch(request) }
    }
}
