import HTTPServer
import Testing

@Suite struct RequestTests {
    @Test func `path and query reach the handler as they were sent`() throws {
        let heads = Mailbox<RequestHead>()
        let fixture = try Fixture { request, exchange in
            heads.put(request.head)
            exchange.respond(Response(status: 204))
        }
        let client = try fixture.client()
        client.request("GET /k/a%2Fb%00c?wait=applied>=5&x=1+2&y=%2B", "X-Twice: a", "x-twice: b")
        #expect(try client.answer().status == 204)

        let head = try #require(heads.take())
        #expect(head.rawPath == Array("/k/a%2Fb%00c".utf8))
        #expect(head.path(afterSegments: 1) == Array("a/b\0c".utf8))
        #expect(head.query.map(\.name) == ["wait", "x", "y"])
        #expect(head.query.map(\.value) == ["applied>=5", "1 2", "+"])
        #expect(head.headers(named: "X-TWICE") == ["a", "b"])
        #expect(head.host == "localhost")
        #expect(head.remoteAddress == "127.0.0.1")
        #expect(head.remoteIsLoopback)
        #expect(head.requestID.count == 16)
    }

    @Test func `a key of 65535 encoded bytes fits`() throws {
        let fixture = try Fixture { request, exchange in
            let key = request.head.path(afterSegments: 1) ?? []
            exchange.respond(Response(status: 200, text: "\(key.count)"))
        }
        let client = try fixture.client()
        client.request("GET /k/" + String(repeating: "%FF", count: 65_535))
        #expect(try client.answer().text == "65535")
    }

    @Test func `unknown and lower-case methods arrive by name`() throws {
        let fixture = try Fixture { request, exchange in
            exchange.respond(Response(status: 200, text: "\(request.head.method)"))
        }
        let client = try fixture.client()
        client.request("get /")
        #expect(try client.answer().text == #"other("get")"#)
        client.request("PURGE /")
        #expect(try client.answer().text == #"other("PURGE")"#)
    }

    @Test func `a missing host is left to the handler`() throws {
        let fixture = try Fixture { request, exchange in
            exchange.respond(Response(status: 200, text: request.head.host ?? "none"))
        }
        let client = try fixture.client()
        client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(try client.answer().text == "none")
    }

    @Test(arguments: [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n",
    ])
    func `what two parsers could read in two ways is refused and closed`(text: String) throws {
        let fixture = try Fixture { _, exchange in
            exchange.respond(Response(status: 200, text: "reached the handler"))
        }
        let client = try fixture.client()
        client.send(text)
        #expect(try client.answer().status == 400)
        #expect(client.isClosed())
    }

    @Test func `a malformed escape is refused and the connection stays`() throws {
        let fixture = try Fixture { _, exchange in exchange.respond(Response(status: 204)) }
        let client = try fixture.client()
        client.request("PUT /%zz", "Content-Length: 3")
        client.send("abc")
        #expect(try client.answer().status == 400)
        client.request("GET /")
        #expect(try client.answer().status == 204)
    }
}
