import HTTPClient
import Platform
import Testing

@Suite struct FetchStreamTests {
    private let fetcher = HTTPFetcher(userAgent: "convoy-test")

    @Test func `bytes are delivered as they come, also when the body never ends`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send("1\r\na\r\n")
            connection.fallSilent()
        }
        var delivered: [UInt8] = []
        let answer = try fetcher.stream(
            FetchRequest(url: server.url(), deadlines: .patient), onHead: { _ in .deliver },
            onBytes: { bytes in
                delivered += bytes
                return false
            })
        #expect(answer.status == 200)
        #expect(answer.body.isEmpty)
        #expect(delivered == [UInt8(ascii: "a")])
    }

    @Test func `sixteen MiB arrive whole and in order`() throws {
        let body = (0..<(16 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            connection.send(body)
        }
        var delivered: [UInt8] = []
        // Above the limit for collected bodies: delivery has none.
        _ = try fetcher.stream(
            FetchRequest(url: server.url(), deadlines: .patient, answerBytesMax: 10),
            onHead: { _ in .deliver },
            onBytes: { bytes in
                delivered += bytes
                return true
            })
        #expect(delivered == body)
    }

    @Test func `the body of an error is collected, or left when nobody wants it`() throws {
        let server = try ScriptedServer { connection in
            while connection.readRequest() != nil {
                connection.answer("why", status: "409 Conflict")
            }
        }
        for (decision, body) in [(StreamDecision.collect, "why"), (.stop, "")] {
            let answer = try fetcher.stream(
                FetchRequest(url: server.url(), deadlines: .patient), onHead: { _ in decision },
                onBytes: { _ in
                    Issue.record("delivered")
                    return true
                })
            #expect(answer.status == 409)
            #expect(answer.body == Array(body.utf8))
        }
    }

    @Test func `a rate limit holds on average and does not count as idle`() throws {
        let server = try ScriptedServer { connection in
            while connection.readRequest() != nil {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
                connection.send([UInt8](repeating: 7, count: 3_000_000))
            }
        }
        let request = FetchRequest(
            url: server.url(), deadlines: .patient, answerBytesMax: 4_000_000,
            bytesPerSecondMax: 2_000_000)
        var quickest = Duration.seconds(60)
        for _ in 0..<10 where quickest >= .seconds(3) {  // Where a thread is stalled, it is late.
            let start = MonotonicTime.now()
            let answer = try fetcher.fetch(request)
            let elapsed = MonotonicTime.now() - start
            #expect(answer.body.count == 3_000_000)
            // What the last piece owes is not waited for.
            #expect(elapsed > .milliseconds(1_350), "\(elapsed)")
            quickest = min(quickest, elapsed)
        }
        #expect(quickest < .seconds(3), "\(quickest)")

        let slow = try ScriptedServer { [fetcher] connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n")
            connection.send([UInt8](repeating: 7, count: 2_000))
            fetcher.awaitRest()
            connection.send("7")
        }
        // The first piece is owed for two seconds, longer than the idle deadline.
        let rested = FetchRequest(
            url: slow.url(), deadlines: FetchDeadlines(connect: .seconds(60), idle: .seconds(1)),
            bytesPerSecondMax: 1_000)
        var body: [UInt8]?
        for _ in 0..<5 where body == nil {  // A server that is stalled for a second is idle.
            body = try? fetcher.fetch(rested).body
        }
        #expect(body?.count == 2_001)
    }

    @Test func `a rate can be changed while bytes flow`() throws {
        let server = try ScriptedServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
            connection.send([UInt8](repeating: 7, count: 3_000_000))
        }
        let request = FetchRequest(
            url: server.url(), deadlines: .patient, bytesPerSecondMax: 1_000)  // Fifty minutes.
        let start = MonotonicTime.now()
        let liberator = WorkerThread(name: "test-rate") { [fetcher] in
            // Set before the fetch begins, it would be set again by that.
            fetcher.awaitRest()
            _ = Monitor(()).wait(until: .now() + .milliseconds(200)) { _ in Bool?.none }
            fetcher.setRate(bytesPerSecond: nil)
        }
        _ = try fetcher.stream(request, onHead: { _ in .deliver }, onBytes: { _ in true })
        let elapsed = MonotonicTime.now() - start
        #expect(elapsed > .milliseconds(190) && elapsed < .seconds(30), "\(elapsed)")
        #expect(liberator.join(until: .now() + .seconds(60)))
    }
}
