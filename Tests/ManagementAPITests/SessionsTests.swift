import Access
import HTTPServer
import Testing

@testable import ManagementAPI

@Suite struct SessionsTests {
    private func head(_ cookies: String...) throws -> RequestHead {
        try Heads.head(.get, "/", cookies.map { ("Cookie", $0) })
    }

    @Test func `a session is found by its cookie, among others, until it is ended`() throws {
        let sessions = Sessions(node: "n1")
        let key = sessions.begin(tokenID: "abc")
        let own = "convoy_n1=\(key.text)"
        for cookies in [own, "a=b; \(own)", "\(own);c=d", "convoy_n1=x; \(own)"] {
            #expect(try sessions.tokenID(head(cookies)) == "abc", "\(cookies)")
        }
        #expect(try sessions.tokenID(head("a=b", own)) == "abc")
        for cookies in [
            "", "convoy_n2=\(key.text)", "convoy_n1=", "convoy_n1", "\(own)x", "x\(own)",
            "convoy_n1=\(key.text.dropLast())", "Convoy_n1=\(key.text)",
        ] {
            #expect(try sessions.tokenID(head(cookies)) == nil, "\(cookies)")
        }
        sessions.end(try head(own))
        #expect(try sessions.tokenID(head(own)) == nil)
    }

    @Test func `there are so many sessions and no more, and the oldest goes first`() throws {
        let sessions = Sessions(node: "n1")
        let first = sessions.begin(tokenID: "first")
        let second = sessions.begin(tokenID: "second")
        for _ in 2...Sessions.countMax { _ = sessions.begin(tokenID: "other") }
        #expect(try sessions.tokenID(head("convoy_n1=\(first.text)")) == nil)
        #expect(try sessions.tokenID(head("convoy_n1=\(second.text)")) == "second")
    }

    @Test func `the cookie is for this server alone, and under TLS for TLS alone`() {
        let sessions = Sessions(node: "n1")
        let key = sessions.begin(tokenID: "abc")
        let plain = sessions.setCookie(key, isSecure: false)
        #expect(
            plain.value
                == "convoy_n1=\(key.text); Path=/; Max-Age=28800; HttpOnly; SameSite=Strict")
        #expect(sessions.setCookie(key, isSecure: true).value == plain.value + "; Secure")
        #expect(
            sessions.setCookie(nil, isSecure: false).value
                == "convoy_n1=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }
}
