import Access
import Node
import Platform
import Testing

@testable import HTTPServer
@testable import ManagementAPI

@Suite struct PeerGateTests {
    private static let target = "/replication/acks?x=1"

    private func secret(_ text: String = "a secret of this cluster") throws -> ClusterSecret {
        try #require(ClusterSecret(text: text))
    }

    private func signed(
        _ secret: ClusterSecret, nonce: String = "n1", at time: UnixMilliseconds = .now(),
        body: String = "{}", target: String = PeerGateTests.target
    ) throws -> Request {
        let signature = secret.signature(
            method: "POST", target: PeerGateTests.target, body: Array("{}".utf8), time: time,
            nonce: nonce)
        return try Heads.request(
            .post, target,
            [
                (SignatureHeader.time, "\(time.rawValue)"), (SignatureHeader.nonce, nonce),
                (SignatureHeader.signature, signature),
            ], body: body, from: "10.0.0.9")
    }

    private func code(_ gate: PeerGate, _ request: Request) -> String? {
        do throws(Problem) {
            try gate.verify(request)
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `a signed request is taken once`() throws {
        let gate = PeerGate(secret: try secret())
        let request = try signed(try secret())
        #expect(code(gate, request) == nil)
        #expect(code(gate, request) == "peer-not-trusted")
        #expect(code(gate, try signed(try secret(), nonce: "n2")) == nil)
    }

    @Test func `another secret, body, target or time is refused`() throws {
        let gate = PeerGate(secret: try secret())
        let secret = try secret()
        let old = UnixMilliseconds(rawValue: UnixMilliseconds.now().rawValue - 61_000)
        let requests = [
            try signed(try self.secret("another secret of a cluster")),
            try signed(secret, body: "{ }"), try signed(secret, target: "/replication/acks?x=2"),
            try signed(secret, at: old), try Heads.request(.post, Self.target),
        ]
        for request in requests { #expect(code(gate, request) == "peer-not-trusted") }
    }

    @Test func `without a secret this machine is trusted, and no other`() throws {
        let gate = PeerGate(secret: nil)
        #expect(code(gate, try Heads.request(.post, Self.target)) == nil)
        #expect(
            code(gate, try Heads.request(.post, Self.target, from: "10.0.0.9"))
                == "peer-not-trusted")
    }

    @Test func `an answer is signed for its request, a stream without its body`() throws {
        let secret = try secret()
        let gate = PeerGate(secret: secret)
        let head = try Heads.head(.get, "/replication/topology", [(SignatureHeader.nonce, "n7")])
        for (body, signedBody) in [
            (ResponseBody.bytes([1, 2]), [1, 2] as [UInt8]?), (.none, []),
            (.file(path: "x", offset: 0, length: 1), nil),
        ] {
            var response = Response(status: 200, body: body)
            gate.sign(&response, for: head)
            let wanted = secret.answerSignature(nonce: "n7", status: 200, body: signedBody)
            #expect(response.headers.last?.value == wanted)
        }
    }
}
