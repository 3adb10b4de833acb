import Access
import Platform
import Testing

@Suite struct ClusterSecretTests {
    private func secret(_ text: String = "0123456789abcdef") throws -> ClusterSecret {
        try #require(ClusterSecret(text: text))
    }

    private let time = UnixMilliseconds(rawValue: 1_000)

    private func signature(
        by secret: ClusterSecret, method: String = "GET",
        target: String = "/replication/log?after=1",
        body: String = "hello", time: UInt64 = 1_000, nonce: String = "n1"
    ) -> String {
        secret.signature(
            method: method, target: target, body: Array(body.utf8),
            time: UnixMilliseconds(rawValue: time), nonce: nonce)
    }

    /// Computed with another program: nodes of different versions must agree.
    @Test func `signatures are HMAC-SHA256 over lines`() throws {
        let secret = try secret()
        #expect(
            signature(by: secret)
                == "04757d107be4b5720e2fc1193912b298dcc89ed536ad798604b8ffb6961abb36")
        #expect(
            secret.answerSignature(nonce: "n1", status: 200, body: nil)
                == "d2b9bc868ae650da434cd00adbb30b2fc82f473db85c747ff3452aa8261a6e94")
    }

    @Test func `every part of a request changes its signature`() throws {
        let secret = try secret()
        let all = [
            signature(by: secret), signature(by: try self.secret("0123456789abcdeg")),
            signature(by: secret, method: "POST"), signature(by: secret, target: "/"),
            signature(by: secret, body: ""), signature(by: secret, time: 1_001),
            signature(by: secret, nonce: "n2"),
            secret.answerSignature(nonce: "n1", status: 200, body: nil),
            secret.answerSignature(nonce: "n1", status: 200, body: []),
            secret.answerSignature(nonce: "n1", status: 201, body: []),
            secret.answerSignature(nonce: "n2", status: 200, body: []),
        ]
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { $0.utf8.count == 64 })
    }

    @Test func `white space around a secret does not count`() throws {
        let plain = try signature(by: secret())
        #expect(try signature(by: secret(" 0123456789abcdef\r\n")) == plain)
        #expect(ClusterSecret(text: "0123456789abcde") == nil)
        #expect(ClusterSecret(text: String(repeating: " ", count: 40)) == nil)
        #expect(ClusterSecret(text: "") == nil)
    }

    @Test func `comparing finds any difference`() throws {
        let text = try signature(by: secret())
        #expect(ClusterSecret.areEqual(text, text))
        #expect(!ClusterSecret.areEqual(text, String(text.dropLast())))
        for place in text.indices {
            var other = text
            other.replaceSubrange(place...place, with: text[place] == "0" ? "1" : "0")
            #expect(!ClusterSecret.areEqual(text, other))
        }
    }
}
