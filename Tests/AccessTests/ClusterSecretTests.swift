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
        target: String = "/replication/log?after=1", identity: String = ",2,n2,,,,",
        body: String = "hello", time: UInt64 = 1_000, nonce: String = "n1"
    ) -> String {
        secret.signature(
            of: ClusterSecret.SignedRequest(
                method: method, target: target, identity: identity, body: Array(body.utf8),
                time: UnixMilliseconds(rawValue: time), nonce: nonce))
    }

    private func answer(
        by secret: ClusterSecret, status: Int = 200, identity: String = ",1,n1,,,,",
        body: [UInt8]? = [], nonce: String = "n1"
    ) -> String {
        secret.signature(
            of: ClusterSecret.SignedAnswer(
                nonce: nonce, status: status, identity: identity, body: body))
    }

    /// Computed with another program: nodes of different versions must agree.
    @Test func `signatures are HMAC-SHA256 over lines`() throws {
        let secret = try secret()
        #expect(
            signature(by: secret)
                == "701e3122c8df6a1492b2a6cc957774b9dfaf0905b4cf0286d637bdf69875ba94")
        #expect(
            answer(by: secret, body: nil)
                == "43e30a71ede7d2a648347ec2fe335f6a2deb035b47ddbdfee65683d921660857")
    }

    @Test func `every part of a request changes its signature`() throws {
        let secret = try secret()
        let all = [
            signature(by: secret), signature(by: try self.secret("0123456789abcdeg")),
            signature(by: secret, method: "POST"), signature(by: secret, target: "/"),
            signature(by: secret, identity: ",3,n2,,,,"), signature(by: secret, body: ""),
            signature(by: secret, time: 1_001), signature(by: secret, nonce: "n2"),
            answer(by: secret), answer(by: secret, body: nil), answer(by: secret, status: 201),
            answer(by: secret, identity: ",1,n1,9.1,,,"), answer(by: secret, nonce: "n2"),
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

    @Test func `a signature with any difference is none`() throws {
        let secret = try secret()
        let signed = ClusterSecret.SignedAnswer(nonce: "n", status: 200, identity: "", body: [1])
        let text = secret.signature(of: signed)
        #expect(secret.isSignature(text, of: signed))
        #expect(!secret.isSignature(String(text.dropLast()), of: signed))
        #expect(!secret.isSignature("", of: signed))
        #expect(!secret.isSignature("none", of: signed))
        for place in text.indices {
            var other = text
            other.replaceSubrange(place...place, with: text[place] == "0" ? "1" : "0")
            #expect(!secret.isSignature(other, of: signed))
        }
    }
}
