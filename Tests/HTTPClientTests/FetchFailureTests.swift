import Glibc
import HTTPClient
import Platform
import Testing

@Suite struct FetchFailureTests {
    private let fetcher = HTTPFetcher(userAgent: "convoy-test")
    // Of each one deadline alone is short: a thread that is stalled must not meet another.
    private let quickIdle = FetchDeadlines(
        connect: .seconds(60), idle: .milliseconds(300), total: .seconds(60))
    private let quickConnect = FetchDeadlines(
        connect: .milliseconds(300), idle: .seconds(60), total: .seconds(60))
    private let quickTotal = FetchDeadlines(
        connect: .seconds(60), idle: .seconds(60), total: .milliseconds(900))

    /// What `request` fails with, and how long that takes.
    private func failure(of request: FetchRequest) -> (error: FetchError?, elapsed: Duration) {
        let start = MonotonicTime.now()
        do throws(FetchError) {
            _ = try fetcher.fetch(request)
            return (nil, MonotonicTime.now() - start)
        } catch {
            return (error, MonotonicTime.now() - start)
        }
    }

    @Test func `nobody listens`() throws {
        // Bound but not listening: refused, and nobody else can get the port meanwhile.
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = bind(socket, address, length)
                _ = getsockname(socket, address, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let url = "http://127.0.0.1:\(port)/"
        let (error, _) = failure(of: FetchRequest(url: url, deadlines: .patient))
        guard case .connectFailed = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a server that never speaks TLS times out while connecting`() throws {
        let server = try ScriptedServer { $0.fallSilent() }
        let url = "https://127.0.0.1:\(server.port)/"
        let (error, elapsed) = failure(of: FetchRequest(url: url, deadlines: quickConnect))
        #expect(error == .timedOut(.connect))
        #expect(elapsed > .milliseconds(290) && elapsed < .seconds(30), "\(elapsed)")
    }

    @Test func `a server that speaks no TLS is a TLS error`() throws {
        let server = try ScriptedServer { connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            connection.fallSilent()  // Closed with unread bytes, it could be a reset.
        }
        let url = "https://127.0.0.1:\(server.port)/"
        let (error, _) = failure(of: FetchRequest(url: url, deadlines: .patient))
        guard case .tls = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    func `a server that goes silent meets the idle deadline`(answer: String) throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send(answer)
            connection.fallSilent()
        }
        let (error, elapsed) = failure(of: FetchRequest(url: server.url(), deadlines: quickIdle))
        #expect(error == .timedOut(.idle))
        #expect(elapsed > .milliseconds(290) && elapsed < .seconds(30), "\(elapsed)")
    }

    @Test func `a server that takes no more of the body meets the idle deadline`() throws {
        let isOver = Monitor(false)
        let server = try ScriptedServer { connection in
            _ = isOver.wait(until: .now() + .seconds(60)) { $0 ? true : nil }
            _ = connection
        }
        let body = [UInt8](repeating: 1, count: 32 << 20)
        let request = FetchRequest(
            method: "PUT", url: server.url(), headers: [("Expect", "")], body: body,
            deadlines: quickIdle)
        #expect(failure(of: request).error == .timedOut(.idle))
        isOver.update { $0 = true }
    }

    @Test func `a server that drips meets the total deadline`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while connection.send("x") {
                _ = Monitor(()).wait(until: .now() + .milliseconds(50)) { _ in Bool?.none }
            }
        }
        let (error, elapsed) = failure(of: FetchRequest(url: server.url(), deadlines: quickTotal))
        #expect(error == .timedOut(.total))
        #expect(elapsed > .milliseconds(890) && elapsed < .seconds(30), "\(elapsed)")
    }

    @Test func `cancel ends a fetch at once and refuses the next until reset`() throws {
        let cancelledAt = Monitor(MonotonicTime.distantFuture)
        let server = try ScriptedServer { [fetcher] connection in
            guard connection.readRequest() != nil else { return }
            cancelledAt.update { $0 = .now() }
            fetcher.cancel()
            connection.fallSilent()
        }
        let request = FetchRequest(url: server.url(), deadlines: .patient)
        // Any one is late where a thread is stalled; were nobody woken up, all would be, by 100 ms.
        var quickest = Duration.seconds(60)
        for round in 1...20 where round <= 2 || quickest >= .milliseconds(50) {
            fetcher.reset()
            #expect(failure(of: request).error == .cancelled)
            quickest = min(quickest, MonotonicTime.now() - cancelledAt.withLock { $0 })
            #expect(failure(of: request).error == .cancelled)
            #expect(server.connectionCount == round)
        }
        #expect(quickest < .milliseconds(50), "\(quickest)")
    }

    @Test func `cancel does not wait for what a rate limit owes`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
            connection.send([UInt8](repeating: 7, count: 800_000))
        }
        let request = FetchRequest(
            url: server.url(), deadlines: .patient, bytesPerSecondMax: 100)  // Minutes a piece.
        let canceller = WorkerThread(name: "test-cancel") { [fetcher] in
            fetcher.awaitRest()
            fetcher.cancel()
        }
        let (error, elapsed) = failure(of: request)
        #expect(error == .cancelled)
        #expect(elapsed < .seconds(30), "\(elapsed)")
        #expect(canceller.join(until: .now() + .seconds(60)))
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "HTTP/1.1 200 OK\r\nX: y",
        "SSH-2.0-OpenSSH_9.2\r\n", "",
    ])
    func `a short or strange answer is broken`(answer: String) throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send(answer)
        }
        let (error, _) = failure(of: FetchRequest(url: server.url(), deadlines: .patient))
        guard case .broken = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a head without end is broken`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\n")
            while connection.send("X: " + String(repeating: "y", count: 1_000) + "\r\n") {}
        }
        let (error, _) = failure(of: FetchRequest(url: server.url(), deadlines: .patient))
        #expect(error == .broken("response head: tooLarge"))
    }

    @Test func `a reset connection is broken`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            connection.reset()
        }
        let request = FetchRequest(url: server.url(), deadlines: .patient)
        guard case .broken = failure(of: request).error else {
            Issue.record("not broken")
            return
        }
    }

    @Test(arguments: ["Content-Length: 11", "Transfer-Encoding: chunked"])
    func `a body that is too large is refused, announced or not`(framing: String) throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\n\(framing)\r\n\r\nb\r\n01234567890\r\n")
            connection.fallSilent()
        }
        let request = FetchRequest(url: server.url(), deadlines: .patient, answerBytesMax: 10)
        #expect(failure(of: request).error == .answerTooLarge(limitBytes: 10))
    }

    @Test func `two threads on one fetcher are a mistake of the program`() async {
        await #expect(processExitsWith: .failure) {
            let fetcher = HTTPFetcher(userAgent: "convoy-test")
            let server = try ScriptedServer { connection in
                guard connection.readRequest() != nil else { return }
                _ = try? fetcher.fetch(FetchRequest(url: "http://127.0.0.1:1/"))
            }
            _ = try fetcher.fetch(FetchRequest(url: server.url()))
        }
    }
}
