import Foundation
import HTTPServer
import Platform
import Testing

@Suite struct ListenerTests {
    @Test func `stopping answers the exchanges that wait`() throws {
        let exchanges = Mailbox<Exchange>()
        let fixture = try Fixture { _, exchange in exchanges.put(exchange) }
        let clients = try (0..<5).map { _ in try fixture.client() }
        for client in clients { client.request("GET /") }
        let kept = clients.compactMap { _ in exchanges.take() }
        #expect(kept.count == 5)

        let deadline = MonotonicTime.now() + .seconds(60)
        fixture.listener.stop(deadline: deadline)
        #expect(MonotonicTime.now() < deadline)
        for client in clients { #expect(try client.answer().text == "stopping") }
        for exchange in kept { exchange.respond(Response(status: 200)) }
    }

    @Test func `stopping is not held up by a client that never finishes its request`() throws {
        var limits = ServerLimits()
        limits.bodyBytesPerSecondMin = 0  // By itself the client is hung up on after a minute only.
        let fixture = try Fixture(limits: limits) { _, exchange in
            exchange.respond(Response(status: 204))
        }
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 10", "Expect: 100-continue")
        #expect(try client.answer().status == 100)
        let before = MonotonicTime.now()
        fixture.listener.stop(deadline: before + .milliseconds(200))
        #expect(MonotonicTime.now() < before + .seconds(30))
    }

    @Test func `a slow header is hung up on`() throws {
        var limits = ServerLimits()
        limits.headerDeadline = .milliseconds(100)
        limits.sweepInterval = .milliseconds(10)
        let fixture = try Fixture(limits: limits) { _, exchange in
            exchange.respond(Response(status: 204))
        }
        let fresh = try fixture.client()
        fresh.send("GET / HTTP/1.1\r\nHost:")
        let used = try answered(by: fixture)
        used.send("GET / HTTP/1.1\r\nX: ")
        // In drops: bytes that come before the server has noted the answer's end, or within the
        // kernel's clock tick of it, begin no header.
        let deadline = MonotonicTime.now() + .seconds(60)
        while used.send("x"), .now() < deadline { Thread.sleep(forTimeInterval: 0.05) }
        #expect(fresh.isClosed())
        #expect(used.isClosed())
    }

    /// A client with its first answer behind it. One that was stalled before it had asked is hung
    /// up on, too: then another.
    private func answered(by fixture: Fixture) throws -> Client {
        let deadline = MonotonicTime.now() + .seconds(60)
        while true {
            let client = try fixture.client()
            client.request("GET /")
            do {
                let status = try client.answer().status
                #expect(status == 204)
                return client
            } catch {
                if MonotonicTime.now() > deadline { throw error }
            }
        }
    }

    @Test func `a slow body is hung up on`() throws {
        var limits = ServerLimits()
        limits.bodyRateWindow = .milliseconds(100)
        limits.sweepInterval = .milliseconds(10)
        let fixture = try Fixture(limits: limits) { _, exchange in
            exchange.respond(Response(status: 204))
        }
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 1000000")
        client.send("abc")
        #expect(client.isClosed())
    }

    @Test func `a port in use and a name are refused with their reason`() throws {
        let fixture = try Fixture { _, exchange in exchange.respond(Response(status: 204)) }
        let port = fixture.listener.port
        #expect(throws: HTTPServerError.addressInUse(address: "127.0.0.1", port: port)) {
            try listen("127.0.0.1", port)
        }
        #expect(throws: HTTPServerError.invalidAddress("example.org")) {
            try listen("example.org", 0)
        }
    }

    private func listen(_ address: String, _ port: UInt16) throws {
        let refuse: @Sendable (RequestHead) -> Response = { _ in Response(status: 500) }
        _ = try HTTPListener(
            address: address, port: port,
            handler: RequestHandler(
                admit: { _ in .collect(bytesMax: 0) },
                handle: { _, exchange in exchange.respond(Response(status: 204)) },
                refusals: .init(
                    malformed: { _, _ in Response(status: 400) },
                    tooLarge: { _, _ in Response(status: 413) },
                    busy: refuse, stopping: refuse, unreadable: refuse)))
    }

    @Test func `curl uploads, is refused, and reads answers`() throws {
        let fixture = try Fixture(admit: {
            $0.segments.last == Array("no".utf8)
                ? .reject(Response(status: 421, text: "elsewhere"))
                : .collect(bytesMax: 32 << 20)
        }) { request, exchange in
            exchange.respond(Response(status: 200, text: "\(request.body.count)"))
        }
        let base = "http://localhost:\(fixture.listener.port)"
        #expect(try curl("-d", String(repeating: "x", count: 5000), base + "/yes") == "5000 200")
        #expect(try curl("-T", "/usr/bin/curl", base + "/no") == "elsewhere 421")
        var answer = ""
        let isRead = try unlessStalled {
            answer = try curl(
                "-H", "Expect:", "-T", "/opt/swift/usr/bin/swift-build", base + "/no")
            return answer == "elsewhere 421"
        }
        #expect(isRead, "\(answer)")
    }

    @Test func `TLS serves files, late answers and large bodies`() throws {
        let exchanges = Mailbox<Exchange>()
        let fixture = try Fixture(tls: try selfSigned()) { request, exchange in
            guard request.head.secure else { return }
            switch request.head.segments.last {
            case Array("file".utf8):
                exchange.respond(
                    Response(status: 200, body: .file(path: "/bin/true", offset: 1, length: 3)))
            case Array("late".utf8): exchanges.put(exchange)
            default: exchange.respond(Response(status: 200, text: "\(request.body.count)"))
            }
        }
        let base = "https://localhost:\(fixture.listener.port)"
        #expect(try curl("-k", base + "/file") == "ELF 200")
        #expect(try curl("-k", "-T", "/usr/bin/curl", base + "/size").hasSuffix(" 200"))
        _ = WorkerThread(name: "late") {
            exchanges.take()?.respond(Response(status: 200, text: "late"))
        }
        #expect(try curl("-k", base + "/late") == "late 200")
    }

    private func selfSigned() throws -> TLSIdentity {
        let pem = try run(
            "/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            "-subj", "/CN=localhost", "-keyout", "-", "-out", "-")
        return TLSIdentity(certificatePEM: pem, keyPEM: pem)
    }

    private func curl(_ arguments: String...) throws -> String {
        try run("/usr/bin/curl", ["-s", "-w", " %{http_code}"] + arguments)
    }

    private func run(_ path: String, _ arguments: String...) throws -> String {
        try run(path, arguments)
    }

    private func run(_ path: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
