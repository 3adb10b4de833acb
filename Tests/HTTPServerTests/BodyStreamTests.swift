import HTTPServer
import Platform
import Testing

/// Bodies that are handed over as they come.
@Suite struct BodyStreamTests {
    /// Answers with the count and the sum of the bytes; reads from a thread of its own, at `pace`,
    /// and pauses for `rest` behind the first mebibyte.
    private func summing(
        limits: ServerLimits = .init(), pace: Duration = .zero, rest: Duration = .zero,
        upTo bytesMax: Int = .max, told: Mailbox<String> = Mailbox()
    ) throws -> Fixture {
        try Fixture(limits: limits, admit: { _ in .stream }) { request, exchange in
            guard let stream = request.stream else {
                return exchange.respond(Response(status: 500, text: "no stream"))
            }
            _ = WorkerThread(name: "reader") {
                var (count, sum, largest) = (0, 0, 0)
                while true {
                    switch stream.read(until: .now() + .seconds(60)) {
                    case .bytes(let bytes):
                        count += bytes.count
                        largest = max(largest, bytes.count)
                        for byte in bytes { sum += Int(byte) }
                        let mayRest = count >= 1 << 20 && count - bytes.count < 1 << 20
                        let pause = mayRest ? max(rest, pace) : pace
                        if pause > .zero {
                            _ = Monitor(()).wait(until: .now() + pause) { _ -> Void? in nil }
                        }
                        if count < bytesMax { continue }
                        stream.close()
                        exchange.respond(Response(status: 422, text: "enough at \(count)"))
                        return told.put("closed")
                    case .end:
                        exchange.respond(Response(status: 200, text: "\(count) \(sum)"))
                        return told.put("largest \(largest)")
                    case .broken:
                        exchange.respond(Response(status: 500, text: "broken"))
                        return told.put("broken")
                    case nil:
                        return told.put("nothing came")
                    }
                }
            }
        }
    }

    private func chunk(_ bytes: [UInt8]) -> [UInt8] {
        Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + [13, 10]
    }

    @Test(arguments: [false, true])
    func `a body larger than all memory for bodies comes through a slow reader whole`(
        isChunked: Bool
    ) throws {
        var limits = ServerLimits()
        limits.bodyBytesInFlightMax = 4 << 20
        // Were the client taken for slow while it is not read from, this would hang up on it. While
        // it is, a machine that stalls may take seconds for a mebibyte.
        limits.bodyRateWindow = .seconds(8)
        limits.bodyBytesPerSecondMin = 1 << 20
        limits.sweepInterval = .milliseconds(50)
        let told = Mailbox<String>()
        let fixture = try summing(
            limits: limits, pace: .milliseconds(100), rest: isChunked ? .zero : .seconds(9),
            told: told)
        let client = try fixture.client()
        let piece = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let pieces = 24
        if isChunked {
            client.request("POST /", "Transfer-Encoding: chunked")
            for _ in 0..<pieces {
                for at in stride(from: 0, to: piece.count, by: 50_000) {
                    client.send(chunk(Array(piece[at..<min(piece.count, at + 50_000)])))
                }
            }
            client.send("0\r\n\r\n")
        } else {
            client.request("POST /", "Content-Length: \(pieces * piece.count)")
            for _ in 0..<pieces { client.send(piece) }
        }
        let sum = pieces * piece.reduce(0) { $0 + Int($1) }
        #expect(try client.answer().text == "\(pieces * piece.count) \(sum)")
        let largest = try #require(told.take().flatMap { Int($0.dropFirst("largest ".count)) })
        #expect(largest < 2 << 20, "held in memory at once")
        // The connection goes on.
        client.request("POST /", "Content-Length: 3")
        client.send("abc")
        #expect(try client.answer().text == "3 294")
    }

    @Test func `an empty body, one in drops and one that is expected come through`() throws {
        let fixture = try summing()
        let client = try fixture.client()
        client.request("POST /", "Transfer-Encoding: chunked")
        client.send("0\r\n\r\n")
        #expect(try client.answer().text == "0 0")
        client.request("POST /", "Content-Length: 5")
        for byte in UInt8(1)...5 { client.send([byte]) }
        #expect(try client.answer().text == "5 15")
        client.request("POST /", "Content-Length: 2", "Expect: 100-continue")
        #expect(try client.answer().status == 100)
        client.send([1, 1])
        #expect(try client.answer().text == "2 2")
    }

    @Test func `a reader that is through early answers behind the body, up to a limit`() throws {
        var limits = ServerLimits()
        limits.drainStreamedBytesMax = 8 << 20
        let fixture = try summing(limits: limits, upTo: 100)
        let client = try fixture.client()
        client.request("POST /", "Content-Length: \(6 << 20)")
        #expect(client.send([UInt8](repeating: 1, count: 6 << 20)))
        #expect(try client.answer().text.hasPrefix("enough at"))
        client.request("POST /", "Transfer-Encoding: chunked")
        let piece = chunk([UInt8](repeating: 1, count: 65_536))
        // Far more than the kernel holds of what nobody has read yet.
        #expect(!(0..<4_000).allSatisfy { _ in client.send(piece) }, "it is read for ever")
    }

    @Test func `a client that leaves in the middle is told as broken`() throws {
        let told = Mailbox<String>()
        let fixture = try summing(told: told)
        do {
            let client = try fixture.client()
            client.request("POST /", "Content-Length: 1000")
            client.send([UInt8](repeating: 1, count: 500))
        }
        #expect(told.take() == "broken")
    }

    @Test func `a listener that stops ends a body that nobody reads`() throws {
        let fixture = try Fixture(admit: { _ in .stream }) { _, _ in }
        let client = try fixture.client()
        client.request("POST /", "Content-Length: \(64 << 20)")
        let sender = WorkerThread(name: "sender") {
            for _ in 0..<64 where !client.send([UInt8](repeating: 1, count: 1 << 20)) { return }
        }
        let pause = Monitor(())
        _ = pause.wait(until: .now() + .milliseconds(300)) { _ -> Void? in nil }
        let began = MonotonicTime.now()
        fixture.listener.stop(deadline: .now() + .seconds(3))
        #expect(MonotonicTime.now() - began < .seconds(60))
        #expect(sender.join(until: .now() + .seconds(60)))
    }

    @Test func `an answer at once is an early answer`() throws {
        let fixture = try Fixture(admit: { _ in .stream }) { _, exchange in
            exchange.respond(Response(status: 421, text: "elsewhere"))
        }
        let client = try fixture.client()
        client.request("POST /", "Content-Length: 3", "Expect: 100-continue")
        #expect(try client.answer().status == 421)
        let other = try fixture.client()
        other.request("POST /", "Content-Length: 3")
        other.send("abc")
        #expect(try other.answer().status == 421)
    }
}
