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
        taken.update { $0 += max }
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

    /// Whether more bytes than that are taken, waiting for it.
    func takes(moreThan count: Int) -> Bool {
        taken.wait(until: .now() + .seconds(60)) { $0 > count ? true : nil } ?? false
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
        #expect(writer.join(until: .now() + .seconds(60)))
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

    @Test(.timeLimit(.minutes(5)))
    func `a stream that says so costs no more than a little of the kernel's memory`() throws {
        func seen<Seen>(_ unsentBytesMax: Int, _ look: (Endless) -> Seen) throws -> Seen {
            let stream = Endless(unsentBytesMax: unsentBytesMax)
            let fixture = try Fixture { _, exchange in
                exchange.respond(Response(status: 200, body: .stream(stream)))
            }
            // The client's side of the connection takes some hundred kilobytes, whatever the limit.
            let client = try fixture.client(receiveBufferBytes: 64 << 10)
            client.request("GET /")
            return look(stream)
        }
        let little = try seen(32 << 10) { $0.settled() }
        #expect(little < 1 << 20, "\(little)")
        let isMore = try seen(4 << 20) { $0.takes(moreThan: little) }
        #expect(isMore, "\(little)")
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
        let deadline = MonotonicTime.now() + .seconds(60)
        fixture.listener.stop(deadline: deadline)
        #expect(MonotonicTime.now() < deadline)
        #expect(feed.events.take() == .closed)
        #expect(feed.events.isEmpty)
    }

    /// In one of some tries: the last bytes of a stream have a second.
    @Test func `a stream that ends when the listener stops is read to its end`() throws {
        var last: [UInt8]?
        for _ in 0..<5 where last == nil {
            let feed = Feed()
            let fixture = try Fixture { _, exchange in
                exchange.respond(Response(status: 200, body: .stream(feed)))
            }
            let client = try fixture.client()
            client.request("GET /")
            #expect(feed.events.take() == .opened)
            for _ in 0..<2_000 { feed.put(.bytes([120])) }
            feed.put(.end)
            fixture.listener.stop(deadline: .now() + .seconds(60))
            #expect(feed.events.take() == .closed)
            last = try? client.answer().body
        }
        #expect(last?.count == 2_000)
    }
}
