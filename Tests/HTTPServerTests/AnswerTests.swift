import Glibc
import HTTPServer
import Platform
import Testing

@Suite struct AnswerTests {
    @Test func `HEAD has the length of the GET and no body`() throws {
        let fixture = try Fixture { _, exchange in
            exchange.respond(Response(status: 200, text: "hello"))
        }
        let client = try fixture.client()
        client.request("HEAD /")
        #expect(try client.answer(toHead: true).headers["content-length"] == "5")
        client.request("GET /")
        #expect(try client.answer().text == "hello")
    }

    @Test(arguments: [204, 304])
    func `an answer without a body leaves the connection in step`(status: Int) throws {
        let fixture = try Fixture { request, exchange in
            let isFirst = request.head.rawPath == Array("/first".utf8)
            exchange.respond(Response(status: isFirst ? status : 200, text: "body"))
        }
        let client = try fixture.client()
        client.request("GET /first")
        let answer = try client.answer()
        #expect(answer.status == status)
        #expect(answer.headers["content-length"] == (status == 304 ? "4" : nil))
        client.request("GET /")
        #expect(try client.answer().text == "body")
    }

    @Test func `a line break in a header value becomes a space`() throws {
        let fixture = try Fixture { _, exchange in
            exchange.respond(Response(status: 200, headers: [("X-A", "1\r\nX-B: 2")]))
        }
        let client = try fixture.client()
        client.request("GET /")
        let answer = try client.answer()
        #expect(answer.headers["x-a"] == "1  X-B: 2")
        #expect(answer.headers["x-b"] == nil)
    }

    @Test func `a large body is sent whole`() throws {
        let body = (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let fixture = try Fixture { _, exchange in
            exchange.respond(Response(status: 200, body: .bytes(body)))
        }
        let client = try fixture.client()
        client.request("GET /")
        #expect(try client.answer().body == body)
    }

    @Test func `large answers that nobody reads are not kept in any number`() throws {
        var limits = ServerLimits()
        limits.answerBytesInFlightMax = 112 << 20
        // More than the kernel holds for who does not read, for what it holds all of is not in
        // flight any more: up to 32 MiB at the server's side, and a little at the client's.
        let body = [UInt8](repeating: 7, count: 48 << 20)
        let fixture = try Fixture(limits: limits) { request, exchange in
            let owner = request.head.rawPath.first { $0 != UInt8(ascii: "/") }
            exchange.respond(
                Response(status: 200, body: .bytes(body), owner: owner.map { "\($0)" }))
        }
        do {
            let idle = try fixture.client(receiveBufferBytes: 1 << 20)
            idle.request("GET /a")
            // The room is taken behind the handler, and before the head is sent.
            #expect(try idle.answer(toHead: true).status == 200)
            let second = try fixture.client()
            second.request("POST /a", "Content-Length: 0")
            #expect(try second.answer(toHead: true).status == 503, "whatever the method")
            for path in ["/", "/b"] {
                let other = try fixture.client()
                other.request("GET \(path)")
                let status = try other.answer(toHead: true).status
                #expect(status == 200, "\(path) is not of the same owner")
            }
            #expect(try idle.take(body.count).count == body.count)
        }
        // What was read is given back a moment later.
        var status = 503
        let deadline = MonotonicTime.now() + .seconds(60)
        while status == 503, .now() < deadline {
            let next = try fixture.client()
            next.request("GET /a")
            status = try next.answer(toHead: true).status
        }
        #expect(status == 200)
    }

    @Test func `an answer from another thread resumes the connection`() throws {
        let exchanges = Mailbox<Exchange>()
        let fixture = try Fixture { _, exchange in exchanges.put(exchange) }
        let client = try fixture.client()
        for round in 0..<3 {
            client.request("GET /")
            let exchange = try #require(exchanges.take())
            exchange.respond(Response(status: 200, text: "\(round)"))
            exchange.respond(Response(status: 500, text: "the second does not count"))
            #expect(try client.answer().text == "\(round)")
        }
    }

    @Test func `answers that race with the suspend all arrive`() throws {
        let exchanges = Mailbox<Exchange>()
        let fixture = try Fixture { _, exchange in exchanges.put(exchange) }
        let answerer = WorkerThread(name: "answerer") {
            for _ in 0..<3000 { exchanges.take()?.respond(Response(status: 200, text: "ok")) }
        }
        let clients = try (0..<10).map { _ in try fixture.client() }
        for _ in 0..<300 {
            for client in clients { client.request("GET /") }
            for client in clients { #expect(try client.answer().text == "ok") }
        }
        #expect(answerer.join(until: .now() + .seconds(60)))
    }

    @Test func `a departed client is told to the exchange that waits`() throws {
        var limits = ServerLimits()
        limits.sweepInterval = .milliseconds(10)
        let exchanges = Mailbox<Exchange>()
        let fixture = try Fixture(limits: limits) { _, exchange in exchanges.put(exchange) }
        try fixture.client().request("GET /")  // Closed at once.
        let exchange = try #require(exchanges.take())
        while !exchange.isAbandoned { sched_yield() }
        exchange.respond(Response(status: 200))
    }

    @Test func `a part of a file is sent`() throws {
        let path = try temporaryFile("0123456789")
        defer { unlink(path) }
        let fixture = try Fixture { request, exchange in
            let isWithin = request.head.rawPath == Array("/within".utf8)
            exchange.respond(
                Response(
                    status: 206, body: .file(path: path, offset: 3, length: isWithin ? 4 : 40)))
        }
        let client = try fixture.client()
        client.request("GET /within")
        #expect(try client.answer().text == "3456")
        client.request("GET /beyond")
        #expect(try client.answer().status == 500)
    }

    private func temporaryFile(_ text: String) throws -> String {
        var template = Array("/tmp/http-server-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
