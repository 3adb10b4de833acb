import Testing

@testable import HTTPServer
@testable import ManagementAPI

@Suite struct HostRuleTests {
    private let rule = HostRule(allowed: ["10.1.2.3", "Convoy.Example", "fe80::1"], port: 7070)

    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:7070", "127.0.0.1:80", "127.9.9.9:1", "localhost", "LOCALHOST:9",
        "[::1]", "[::1]:7070", "10.1.2.3", "10.1.2.3:7070", "10.1.2.3:9999", "convoy.example:7070",
        "CONVOY.example", "[fe80::1]:7070", "localhost:",
    ])
    func `this node's own names are let in, whatever the port`(host: String) {
        #expect(rule.refusal(of: host) == nil, "\(host)")
    }

    @Test(arguments: [
        "evil.example", "evil.example:7070", "", ":7070", "127.0.0.1.evil.example",
        "localhost.evil.example", "10.1.2.4", "0.0.0.0:7070", "127.1", "2130706433", "::1",
        "localhost:7070x", "localhost:70:70", "user@localhost", "localhost/", "[::1", "::1]",
        "convoy.example.", "127.0.0.1:-1",
    ])
    func `any other host is refused`(host: String) {
        let problem = rule.refusal(of: host)
        #expect(problem?.status == 403, "\(host)")
        #expect(problem?.code == "bad-host")
    }

    @Test func `a missing host is refused`() {
        #expect(rule.refusal(of: nil)?.code == "bad-host")
    }
}

@Suite struct OriginRuleTests {
    private func refusal(
        _ method: HTTPMethod = .post, origin: String? = nil, site: String? = nil,
        host: String? = "localhost:7070", isSecure: Bool = false
    ) -> Problem? {
        OriginRule.refusal(
            method: method, origin: origin, site: site, host: host, isSecure: isSecure)
    }

    @Test func `a program that sends neither header is let in`() { #expect(refusal() == nil) }

    @Test(arguments: [
        ("http://localhost:7070", "localhost:7070"), ("http://LOCALHOST:7070", "localhost:7070"),
        ("http://localhost", "localhost:80"), ("http://localhost:80", "localhost"),
        ("http://[::1]:7070", "[::1]:7070"),
    ])
    func `the page's own origin is let in`(origin: String, host: String) {
        #expect(refusal(origin: origin, host: host) == nil)
    }

    @Test(arguments: [
        "http://evil.example", "https://localhost:7070", "http://localhost:7071", "null", "",
        "http://127.0.0.1:7070", "http://localhost:70700", "file://",
    ])
    func `another origin is refused`(origin: String) {
        #expect(refusal(origin: origin)?.code == "bad-origin", "\(origin)")
    }

    @Test(arguments: ["cross-site", "same-site", "", "Same-Origin"])
    func `a foreign site is refused, whatever its origin says`(site: String) {
        #expect(refusal(origin: "http://localhost:7070", site: site)?.status == 403)
    }

    @Test(arguments: ["same-origin", "none"])
    func `the own site and a person's own doing are let in`(site: String) {
        #expect(refusal(site: site) == nil)
    }

    @Test func `reading is open to every origin, since no answer allows it to be read`() {
        #expect(refusal(.get, origin: "http://evil.example", site: "cross-site") == nil)
        #expect(refusal(.head, origin: "http://evil.example", site: "cross-site") == nil)
    }

    @Test func `under TLS the origin is https`() {
        #expect(refusal(origin: "https://a.example", host: "a.example", isSecure: true) == nil)
        #expect(refusal(origin: "http://a.example", host: "a.example", isSecure: true) != nil)
    }
}
