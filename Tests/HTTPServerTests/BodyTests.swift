import HTTPServer
import Testing

@Suite struct BodyTests {
    private func echo(
        limits: ServerLimits = .init(),
        admit: @escaping @Sendable (RequestHead) -> BodyPolicy = { _ in .collect(bytesMax: 8 << 20)
        }
    ) throws -> Fixture {
        try Fixture(limits: limits, admit: admit) { request, exchange in
            exchange.respond(Response(status: 200, body: .bytes(request.body)))
        }
    }

    @Test func `a body of 5 MiB comes back whole`() throws {
        let fixture = try echo()
        let client = try fixture.client()
        let body = (0..<5 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        client.request("PUT /", "Content-Length: \(body.count)")
        client.send(body)
        #expect(try client.answer().body == body)
    }

    @Test func `a chunked body is put together`() throws {
        let fixture = try echo()
        let client = try fixture.client()
        client.request("PUT /", "Transfer-Encoding: chunked")
        client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        #expect(try client.answer().text == "abcde")
    }

    @Test func `a client that expects 100 is told to go on`() throws {
        let fixture = try echo()
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 3", "Expect: 100-continue")
        #expect(try client.answer().status == 100)
        client.send("abc")
        #expect(try client.answer().text == "abc")
    }

    @Test func `a client that expects 100 is refused before it sends`() throws {
        let fixture = try echo(admit: { _ in .reject(Response(status: 401, text: "no")) })
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 3", "Expect: 100-continue")
        #expect(try client.answer().status == 401)
        #expect(client.isClosed())
    }

    @Test func `after a small refused body the connection stays`() throws {
        let fixture = try echo(admit: {
            $0.method == .put
                ? .reject(Response(status: 404, text: "no")) : .collect(bytesMax: 10)
        })
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 100000")
        client.send([UInt8](repeating: 1, count: 100_000))
        #expect(try client.answer().status == 404)
        client.request("GET /")
        #expect(try client.answer().status == 200)
    }

    @Test func `a client that sends 5 MiB in vain can still read the answer`() throws {
        let fixture = try echo(admit: { _ in .reject(Response(status: 413, text: "no")) })
        let body = [UInt8](repeating: 1, count: 5 << 20)
        let isRead = try unlessStalled {
            let client = try fixture.client()
            client.request("PUT /", "Content-Length: \(body.count)")
            guard client.send(body), let answer = try? client.answer() else { return false }
            return answer.text == "no" && client.isClosed()
        }
        #expect(isRead)
    }

    @Test func `a body above the limit is too large, whether declared or not`() throws {
        let fixture = try echo(admit: { _ in .collect(bytesMax: 4) })
        let client = try fixture.client()
        client.request("PUT /", "Content-Length: 5")
        client.send("abcde")
        #expect(try client.answer().text == "at most 4")
        client.request("PUT /", "Transfer-Encoding: chunked")
        client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        #expect(try client.answer().text == "at most 4")
        client.request("PUT /", "Content-Length: 4")
        client.send("abcd")
        #expect(try client.answer().text == "abcd")
    }

    @Test func `a chunked body without end is hung up on`() throws {
        var limits = ServerLimits()
        limits.drainChunkedBytesMax = 2 << 20
        let fixture = try echo(limits: limits, admit: { _ in .collect(bytesMax: 4) })
        let client = try fixture.client()
        client.request("PUT /", "Transfer-Encoding: chunked")
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 1, count: 65_536) + [13, 10]
        // Far more than the kernel holds of what nobody has read yet.
        let sentAll = (0..<4_000).allSatisfy { _ in client.send(chunk) }
        #expect(!sentAll)
    }

    @Test func `bodies beyond what may be in flight are refused as busy`() throws {
        var limits = ServerLimits()
        limits.bodyBytesInFlightMax = 1000
        limits.bodyBytesPerSecondMin = 0  // The first one waits for as long as the others take.
        let fixture = try echo(limits: limits)
        let first = try fixture.client()
        first.request("PUT /", "Content-Length: 900")
        first.send([UInt8](repeating: 1, count: 800))

        // Until the first body has arrived. The head alone reserves nothing, so that a client which
        // is told to go on, and leaves instead, cannot take the first one's place.
        var status = 100
        while status == 100 {
            let second = try fixture.client()
            second.request("PUT /", "Content-Length: 300", "Expect: 100-continue")
            let answer = try second.answer()
            status = answer.status
            if status != 100 { #expect(answer.text == "busy") }
        }
        #expect(status == 503)
        first.send([UInt8](repeating: 1, count: 100))
        #expect(try first.answer().body.count == 900)
        first.request("PUT /", "Content-Length: 300")
        first.send([UInt8](repeating: 1, count: 300))
        #expect(try first.answer().body.count == 300)
    }
}
