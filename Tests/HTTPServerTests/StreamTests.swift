import HTTPServer
import Platform
import Testing

/// Gives what is put into it, and says what happens to it.
private final class Feed: ResponseStream {
    enum Event: Equatable { case opened, closed }

    let events = Mailbox<Event>()
    private let state = Monitor(State())

    private struct State {
        var chunks: [StreamChunk] = []
        var handle: StreamHandle?
    }

    func put(_ chunk: StreamChunk) {
        // With the lock held, as a feed may: `wake` must not call back.
        state.withLock {
            $0.chunks.append(chunk)
            $0.handle?.wake()
        }
    }

    func abort() { state.withLock { $0.handle }?.abort() }

    func read(max: Int) -> StreamChunk {
        state.withLock { $0.chunks.isEmpty ? .wait : $0.chunks.removeFirst() }
    }

    func opened(_ connection: StreamHandle) {
        state.withLock { $0.handle = connection }
        events.put(.opened)
    }

    func closed() { events.put(.closed) }
}

/// Has always more, and counts what was taken.
private final class Endless: ResponseStream {
    private let taken = Monitor(0)
    private let unsentBytesMax: Int

    init(unsentBytesMax: Int) { self.unsentBytesMax = unsentBytesMax }

    func opened(_ connection: StreamHandle) { connection.limitUnsent(bytes: unsentBytesMax) }

    func read(max: Int) -> StreamChunk {
        taken.withLock { $0 += max }
        return .bytes([UInt8](repeating: 7, count: max))
    }

    func closed() {}

    /// Bytes, once no more are taken for a while.
    func settled() -> Int {
        var last = -1
        while true {
            let now = taken.withLock { $0 }
            if now == last, now > 0 { return now }
            last = now
            _ = Monitor(()).wait(until: .now() + .milliseconds(300)) { _ in Never?.none }
        }
    }
}

@Suite struct StreamTests {
    private let feed = Feed()

    private func fixture() throws -> Fixture {
        var limits = ServerLimits()
        limits.sweepInterval = .milliseconds(10)
        let feed = feed
        return try Fixture(limits: limits) { _, exchange in
            exchange.respond(Response(status: 200, body: .stream(feed)))
        }
    }

    @Test func `a stream waits, is woken, and ends`() throws {
        let fixture = try fixture()
        let client = try fixture.client()
        client.request("GET /")
        #expect(feed.events.take() == .opened)
        feed.put(.bytes(Array("one".utf8)))
        feed.put(.bytes(Array("two".utf8)))
        feed.put(.end)
        #expect(try client.answer().text == "onetwo")
        #expect(feed.events.take() == .closed)
        client.request("HEAD /")
        #expect(try client.answer(toHead: true).status == 200)
        #expect(feed.events.take() == .opened)
        #expect(feed.events.take() == .closed)
        #expect(feed.events.isEmpty)
    }

    @Test func `no wake is lost between the look and the suspend`() throws {
        let fixture = try fixture()
        let client = try fixture.client()
        client.request("GET /")
        #expect(feed.events.take() == .opened)
        let feed = feed
        let writer = WorkerThread(name: "writer") {
            for _ in 0..<20_000 { feed.put(.bytes([120])) }
            feed.put(.end)
        }
        #expect(try client.answer().body.count == 20_000)
        #expect(writer.join(until: .now() + .seconds(10)))
    }

    @Test func `a stream whose client leaves is closed`() throws {
        let fixture = try fixture()
        do {
            let client = try fixture.client()
            client.request("GET /")
            #expect(feed.events.take() == .opened)
        }
        #expect(feed.events.take() == .closed)
        feed.put(.bytes([1]))
        #expect(feed.events.isEmpty)
    }

    @Test func `abort hangs up on the client`() throws {
        let fixture = try fixture()
        let client = try fixture.client()
        client.request("GET /")
        feed.put(.bytes([1]))
        #expect(feed.events.take() == .opened)
        feed.abort()
        #expect(throws: Client.Ended.self) { try client.answer() }
        #expect(feed.events.take() == .closed)
        #expect(feed.events.isEmpty)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a stream that says so costs no more than a little of the kernel's memory`() throws {
        func taken(_ unsentBytesMax: Int) throws -> Int {
            let stream = Endless(unsentBytesMax: unsentBytesMax)
            let fixture = try Fixture { _, exchange in
                exchange.respond(Response(status: 200, body: .stream(stream)))
            }
            let client = try fixture.client()
            client.request("GET /")
            return stream.settled()
        }
        // The client's side of the connection takes some hundred kilobytes, whatever the limit.
        let (little, much) = (try taken(32 << 10), try taken(4 << 20))
        #expect(little < 1 << 20, "\(little)")
        #expect(little < much, "\(little), \(much)")
    }

    @Test func `a broken stream is not a complete body`() throws {
        let fixture = try fixture()
        let client = try fixture.client()
        client.request("GET /")
        feed.put(.bytes([1]))
        feed.put(.abort)
        #expect(throws: Client.Ended.self) { try client.answer() }
    }

    @Test func `a stream in an answer that does not count is closed`() throws {
        let feed = feed
        let fixture = try Fixture { _, exchange in
            exchange.respond(Response(status: 204))
            exchange.respond(Response(status: 200, body: .stream(feed)))
        }
        let client = try fixture.client()
        client.request("GET /")
        #expect(try client.answer().status == 204)
        #expect(feed.events.take() == .closed)
    }

    @Test func `stopping ends streams and closes each once`() throws {
        let fixture = try fixture()
        let client = try fixture.client()
        client.request("GET /")
        #expect(feed.events.take() == .opened)
        let deadline = MonotonicTime.now() + .seconds(5)
        fixture.listener.stop(deadline: deadline)
        #expect(MonotonicTime.now() < deadline)
        #expect(feed.events.take() == .closed)
        #expect(feed.events.isEmpty)
    }
}
