import Access
import Testing

@Suite struct TokenTests {
    @Test(arguments: [Token.Kind.namespace, .admin])
    func `a token reads back as it was written`(kind: Token.Kind) throws {
        let token = Token(kind: kind)
        let text = token.text
        #expect(text.hasPrefix("cvy_\(kind.rawValue)_\(token.lookupID)_"))
        #expect(text.utf8.count == 4 + 3 + 12 + 1 + 43 + 6)
        let read = try #require(Token(text: text))
        #expect(read.kind == kind)
        #expect(read.lookupID == token.lookupID)
        #expect(read.hash == token.hash)
        #expect(read.text == text)
    }

    @Test func `a typing error anywhere makes it no token`() throws {
        let text = Token(kind: .namespace).text
        for place in text.indices {
            var typo = text
            typo.replaceSubrange(place...place, with: text[place] == "x" ? "y" : "x")
            #expect(Token(text: typo) == nil)
            var shorter = text
            shorter.remove(at: place)
            #expect(Token(text: shorter) == nil)
        }
        for other in [text + "0", " " + text, text + "\n", text.uppercased(), ""] {
            #expect(Token(text: other) == nil)
        }
        #expect(Token(text: text.replacingOccurrences("cvy_ns", "cvy_ad")) == nil)
        #expect(Token(text: text.replacingOccurrences("cvy_ns", "cvy_xx")) == nil)
    }

    @Test func `no two tokens are alike`() {
        let tokens = (0..<200).map { _ in Token(kind: .namespace) }
        #expect(Set(tokens.map(\.text)).count == 200)
        #expect(Set(tokens.map(\.lookupID)).count == 200)
        #expect(Set(tokens.map(\.hash)).count == 200)
    }

    @Test func `only its own hash matches, by the algorithm it was made with`() {
        let token = Token(kind: .namespace)
        var hash = token.hash
        #expect(hash.count == 32)
        #expect(token.matches(algorithm: Token.algorithm, hash: hash))
        #expect(!token.matches(algorithm: "md5", hash: hash))
        #expect(!token.matches(algorithm: Token.algorithm, hash: []))
        #expect(!token.matches(algorithm: Token.algorithm, hash: hash + [0]))
        for place in hash.indices {
            hash[place] ^= 1
            #expect(!token.matches(algorithm: Token.algorithm, hash: hash))
            hash[place] ^= 1
        }
        #expect(!token.matches(algorithm: Token.algorithm, hash: Token(kind: .namespace).hash))
    }

    /// Computed with another program: scanners know tokens by these rules, so they never change.
    @Test func `its constant parts stay what they are`() throws {
        #expect(Token.algorithm == "sha256")
        let secret = String(repeating: "0", count: 43)
        let token = try #require(Token(text: "cvy_ns_000000000000_\(secret)Xx5E2i"))
        #expect(token.lookupID == "000000000000")
        #expect(token.hash.prefix(6) == [0xB9, 0x18, 0xB2, 0x2A, 0x15, 0x81])
    }
}

extension String {
    func replacingOccurrences(_ text: String, _ other: String) -> String {
        split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
    }
}
