import Access
import Platform
import Testing

@testable import Engine
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

@Suite struct GateTests {
    private let token = Token(kind: .namespace)

    /// Namespaces `default` (1) and `mine` (7), the latter with ``token``.
    private func gate() throws -> Gate {
        var catalog = Catalog()
        for (id, name) in [(UInt32(1), "default"), (7, "mine")] {
            let record = NamespaceRecord(
                id: NamespaceID(rawValue: id), name: try #require(NamespaceName(rawValue: name)),
                createdAt: .init(rawValue: 1))
            try catalog.apply(
                key: Key.catalog(.namespace, record.id.encoded), value: record.encoded())
        }
        let record = TokenRecord(
            lookupID: token.lookupID, namespace: NamespaceID(rawValue: 7),
            algorithm: Token.algorithm, hash: token.hash, createdAt: .init(rawValue: 1))
        try catalog.apply(
            key: Key.catalog(.token, Array(token.lookupID.utf8)), value: record.encoded())
        return Gate(catalog: catalog)
    }

    private func admit(
        _ authorization: String?, _ scope: Scope, _ namespace: String? = nil,
        from address: String = "127.0.0.1"
    ) throws -> Result<Caller, Problem> {
        let headers = authorization.map { [("Authorization", $0)] } ?? []
        let head = try Heads.head(.get, "/", headers, from: address)
        let gate = try gate()
        return Result { () throws(Problem) -> Caller in
            try gate.admit(head, to: scope, namespace: namespace)
        }
    }

    @Test(arguments: [Scope.clusterRead, .topologyWrite, .namespacesWrite, .namespaceWrite])
    func `without a credential everything is allowed from this machine, nothing from another`(
        scope: Scope
    ) throws {
        #expect(try admit(nil, scope).get() == .anonymous)
        guard case .failure(let problem) = try admit(nil, scope, from: "10.0.0.1") else {
            return failed("let in")
        }
        #expect(problem.status == 403)
    }

    @Test func `health needs no credential, and does not look at one`() throws {
        #expect(try admit(nil, .open, from: "10.0.0.1").get() == .anonymous)
        #expect(try admit("Bearer nonsense", .open).get() == .anonymous)
    }

    @Test func `a namespace token reaches its own namespace`() throws {
        let caller = try admit("Bearer \(token.text)", .namespaceWrite, "mine").get()
        #expect(caller.tokenID == token.lookupID)
        #expect(caller.label == "token:\(token.lookupID)")
    }

    @Test(arguments: ["default", "nowhere", "BAD NAME", ""])
    func `for a namespace token other namespaces are not there`(name: String) throws {
        for scope in [Scope.namespaceRead, .namespaceWrite, .namespacesWrite] {
            guard case .failure(let problem) = try admit("Bearer \(token.text)", scope, name) else {
                return failed("let in")
            }
            #expect(problem.status == 404)
        }
    }

    @Test(arguments: [Scope.clusterRead, .topologyWrite, .namespacesWrite])
    func `what a namespace token does not reach is refused by the name of the scope`(
        scope: Scope
    ) throws {
        guard case .failure(let problem) = try admit("Bearer \(token.text)", scope) else {
            return failed("let in")
        }
        #expect(problem.status == 403)
        #expect(problem.code == "forbidden")
        #expect(problem.detail.contains(scope.rawValue))
    }

    @Test(arguments: ["Bearer", "Bearer ", "Basic YTpi", "Bearer cvy_ns_x", "cvy_ns_x", ""])
    func `a credential that is none is refused with what is wanted`(text: String) throws {
        guard case .failure(let problem) = try admit(text, .clusterRead) else {
            return failed("let in")
        }
        #expect(problem.status == 401)
        #expect(problem.headers.contains { $0.name == "WWW-Authenticate" })
    }

    @Test func `a token that nobody has given out is refused`() throws {
        let stranger = Token(kind: .namespace)
        guard case .failure(let problem) = try admit("Bearer \(stranger.text)", .namespaceRead)
        else { return failed("let in") }
        #expect(problem.status == 401)
        #expect(!problem.detail.contains(stranger.lookupID))
    }

    @Test func `while there is no state no token can be known`() throws {
        let head = try Heads.head(.get, "/", [("Authorization", "Bearer \(token.text)")])
        let outcome = Result { () throws(Problem) -> Caller in
            try Gate(catalog: nil).admit(head, to: .namespaceRead, namespace: nil)
        }
        guard case .failure(let problem) = outcome else { return failed("let in") }
        #expect(problem.code == "not-ready")
    }
}
