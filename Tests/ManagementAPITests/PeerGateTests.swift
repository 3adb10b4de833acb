import Access
import Node
import Platform
import Replication
import Testing

@testable import HTTPServer
@testable import ManagementAPI

@Suite struct PeerGateTests {
    private static let target = "/replication/acks?x=1"

    private func secrets(_ text: String = "a secret of this cluster") throws -> ClusterSecrets {
        try #require(ClusterSecrets(text: text))
    }

    private func signed(
        _ secret: ClusterSecret, nonce: String = "n1", at time: UnixMilliseconds = .now(),
        body: String = "{}", target: String = PeerGateTests.target, number: String = "2",
        extra: [(String, String)] = []
    ) throws -> Request {
        let identity = [("Convoy-Node", "2"), ("Convoy-Node-Name", "n2")]
        let signature = secret.signature(
            of: ClusterSecret.SignedRequest(
                method: "POST", target: PeerGateTests.target,
                identity: PeerIdentity.signedText(identity), body: Array("{}".utf8), time: time,
                nonce: nonce))
        return try Heads.request(
            .post, target,
            [
                ("Convoy-Node", number), ("Convoy-Node-Name", "n2"),
                (SignatureHeader.time, "\(time.rawValue)"), (SignatureHeader.nonce, nonce),
                (SignatureHeader.signature, signature),
            ] + extra, body: body, from: "10.0.0.9")
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
        let secrets = try secrets()
        let gate = PeerGate(secrets: secrets, insecureLinks: true)
        let request = try signed(secrets.current)
        #expect(code(gate, request) == nil)
        #expect(code(gate, request) == "peer-not-trusted")
        #expect(code(gate, try signed(secrets.current, nonce: "n2")) == nil)
    }

    @Test func `another secret, body, target, identity or time is refused`() throws {
        let secret = try secrets().current
        let gate = PeerGate(secrets: try secrets(), insecureLinks: true)
        let now = UnixMilliseconds.now().rawValue
        let requests = [
            try signed(try secrets("another secret of a cluster").current),
            try signed(secret, body: "{ }"), try signed(secret, target: "/replication/acks?x=2"),
            try signed(secret, number: "3"),
            try signed(secret, extra: [("Convoy-Reign", "9.1")]),
            try signed(secret, at: UnixMilliseconds(rawValue: now - 61_000)),
            try signed(secret, at: UnixMilliseconds(rawValue: now + 600_000)),
            try Heads.request(.post, Self.target),
        ]
        for request in requests { #expect(code(gate, request) == "peer-not-trusted") }
        #expect(code(gate, try signed(secret)) == nil)
    }

    @Test func `while a secret is replaced both are taken, and afterwards the new one alone`()
        throws
    {
        let old = try secrets("the old secret of all").current
        let new = try secrets("the new secret of all").current
        let known = try secrets("the old secret of all\nthe new secret of all\n")
        let gate = PeerGate(secrets: known, insecureLinks: true)
        #expect(code(gate, try signed(old, nonce: "a")) == nil)
        #expect(code(gate, try signed(new, nonce: "b")) == nil)
        #expect(!known.replace(by: "short"))
        #expect(!known.replace(by: ""))
        #expect(!known.replace(by: "the first of the three\nthe second of them\nthe third of them"))
        #expect(code(gate, try signed(old, nonce: "c")) == nil)
        #expect(known.replace(by: "the new secret of all"))
        #expect(code(gate, try signed(new, nonce: "d")) == nil)
        #expect(code(gate, try signed(old, nonce: "e")) == "peer-not-trusted")
    }

    @Test func `a link beyond loopback needs TLS, unless it is allowed to be plain`() throws {
        let secrets = try secrets()
        let request = try signed(secrets.current)
        #expect(code(PeerGate(secrets: secrets), request) == "peer-not-trusted")
        #expect(code(PeerGate(secrets: secrets, insecureLinks: true), request) == nil)
    }

    @Test func `without a secret this machine is trusted, and no other`() throws {
        let gate = PeerGate(secrets: nil)
        #expect(code(gate, try Heads.request(.post, Self.target)) == nil)
        #expect(
            code(gate, try Heads.request(.post, Self.target, from: "10.0.0.9"))
                == "peer-not-trusted")
    }

    @Test
    func `an answer is signed for its request, by the same secret, a stream without its body`()
        throws
    {
        let new = try secrets("the new secret of all").current
        let gate = PeerGate(
            secrets: try secrets("the old secret of all\nthe new secret of all"),
            insecureLinks: true)
        for (place, (body, signedBody)) in [
            (ResponseBody.bytes([1, 2]), [1, 2] as [UInt8]?), (.none, []),
            (.file(path: "x", offset: 0, length: 1), nil),
        ].enumerated() {
            let request = try signed(new, nonce: "n\(place)")
            #expect(code(gate, request) == nil)
            var response = Response(
                status: 200, headers: [("Convoy-Reign", "3.1")], body: body)
            gate.sign(&response, for: request.head)
            let wanted = ClusterSecret.SignedAnswer(
                nonce: "n\(place)", status: 200,
                identity: PeerIdentity.signedText([("Convoy-Reign", "3.1")]), body: signedBody)
            #expect(response.headers.last?.name == SignatureHeader.signature)
            #expect(response.headers.last?.value == new.signature(of: wanted))
        }
    }

    @Test func `nothing is signed for whoever has not signed`() throws {
        let gate = PeerGate(secrets: try secrets(), insecureLinks: true)
        let stranger = try signed(try secrets("another secret of a cluster").current)
        #expect(code(gate, stranger) == "peer-not-trusted")
        var response = Response(status: 403, body: .bytes([1]))
        gate.sign(&response, for: stranger.head)
        #expect(response.headers.isEmpty)
        // Whose clock is wrong is told so by an answer that it can believe; once.
        let late = try signed(
            try secrets().current, at: UnixMilliseconds(rawValue: 1_000))
        #expect(code(gate, late) == "peer-not-trusted")
        gate.sign(&response, for: late.head)
        gate.sign(&response, for: late.head)
        #expect(response.headers.count == 1)
    }
}
