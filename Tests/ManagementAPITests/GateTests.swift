import Access
import HTTPServer
import JSON
import Platform
import Testing

@testable import Engine
@testable import ManagementAPI

@Suite struct GateTests {
    private let tenant = Token(kind: .namespace)
    private let admin = Token(kind: .admin)

    /// Namespaces `default` (1) and `mine` (7), the latter with ``tenant``; on request ``admin``.
    private func gate(
        tenantScopes: TokenScopes = .allOfNamespace, adminScopes: TokenScopes? = nil,
        expiresAt: UInt64? = nil, networks: [String] = [], now: UInt64 = 1_000
    ) throws -> Gate {
        var catalog = Catalog()
        for (id, name) in [(UInt32(1), "default"), (7, "mine")] {
            let record = NamespaceRecord(
                id: NamespaceID(rawValue: id), name: try #require(NamespaceName(rawValue: name)),
                createdAt: .init(rawValue: 1))
            try catalog.apply(
                key: Key.catalog(.namespace, record.id.encoded), value: record.encoded())
        }
        func put(_ token: Token, _ namespace: NamespaceID?, _ scopes: TokenScopes) throws {
            let record = TokenRecord(
                lookupID: token.lookupID, namespace: namespace, algorithm: Token.algorithm,
                hash: token.hash, scopes: scopes, createdAt: .init(rawValue: 1),
                expiresAt: expiresAt.map(UnixMilliseconds.init(rawValue:)), networks: networks)
            try catalog.apply(
                key: Key.catalog(.token, Array(token.lookupID.utf8)), value: record.encoded())
        }
        try put(tenant, NamespaceID(rawValue: 7), tenantScopes)
        if let adminScopes { try put(admin, nil, adminScopes) }
        return Gate(catalog: catalog, now: { UnixMilliseconds(rawValue: now) })
    }

    private func admit(
        _ authorization: String?, _ scope: Scope, _ namespace: String? = nil,
        from address: String = "127.0.0.1", at gate: Gate
    ) throws -> Result<Caller, Problem> {
        let headers = authorization.map { [("Authorization", $0)] } ?? []
        let head = try Heads.head(.get, "/", headers, from: address)
        return Result { () throws(Problem) -> Caller in
            try gate.admit(head, to: scope, namespace: namespace)
        }
    }

    private func refusal(
        _ authorization: String?, _ scope: Scope, _ namespace: String? = nil,
        from address: String = "127.0.0.1", at gate: Gate
    ) throws -> Problem? {
        switch try admit(authorization, scope, namespace, from: address, at: gate) {
        case .success: nil
        case .failure(let problem): problem
        }
    }

    // MARK: - Without a credential

    @Test(arguments: [Scope.any, .clusterRead, .topologyWrite, .tokensAdmin, .namespaceWrite])
    func `without a credential everything is allowed from this machine, nothing from another`(
        scope: Scope
    ) throws {
        let gate = try gate()
        #expect(try admit(nil, scope, at: gate).get() == .anonymous)
        #expect(try refusal(nil, scope, from: "10.0.0.1", at: gate)?.status == 403)
    }

    @Test(arguments: Scope.allCases)
    func `once there is an admin token nobody comes in without one`(scope: Scope) throws {
        // Also when it may do next to nothing, and when it has expired.
        let gate = try gate(adminScopes: .clusterRead, expiresAt: 500)
        let problem = try refusal(nil, scope, "mine", at: gate)
        if scope == .open || scope == .peer {
            #expect(problem == nil)
        } else {
            #expect(problem?.status == 401)
            #expect(problem?.headers.contains { $0.name == "WWW-Authenticate" } == true)
        }
    }

    @Test func `health needs no credential, and does not look at one`() throws {
        let gate = try gate(adminScopes: .allOfCluster)
        #expect(try admit(nil, .open, from: "10.0.0.1", at: gate).get() == .anonymous)
        #expect(try admit("Bearer nonsense", .open, at: gate).get() == .anonymous)
    }

    // MARK: - Scopes

    @Test func `a namespace token reaches its own namespace`() throws {
        let gate = try gate()
        let caller = try admit("Bearer \(tenant.text)", .namespaceWrite, "mine", at: gate).get()
        #expect(caller.namespace == NamespaceID(rawValue: 7))
        #expect(caller.label == "token:\(tenant.lookupID)")
    }

    @Test(arguments: [
        (TokenScopes.read, Scope.namespaceRead), (.write, .namespaceWrite),
        (.admin, .namespaceAdmin),
    ])
    func `each scope of a namespace token opens one thing`(
        scopes: TokenScopes, opened: Scope
    ) throws {
        let gate = try gate(tenantScopes: scopes)
        for scope in [Scope.namespaceRead, .namespaceWrite, .namespaceAdmin] {
            let problem = try refusal("Bearer \(tenant.text)", scope, "mine", at: gate)
            #expect((problem == nil) == (scope == opened), "\(scope)")
            guard let problem else { continue }
            #expect(problem.code == "forbidden")
            let lacked = scope.ofNamespaceToken?.words.first
            #expect(problem.members.contains { $0.value.stringValue == lacked })
        }
        #expect(try refusal("Bearer \(tenant.text)", .namespaceInfo, "mine", at: gate) == nil)
        #expect(try refusal("Bearer \(tenant.text)", .any, at: gate) == nil)
    }

    @Test(arguments: ["default", "nowhere", "BAD NAME", ""])
    func `for a namespace token other namespaces are not there`(name: String) throws {
        let gate = try gate()
        for scope in [
            Scope.namespaceInfo, .namespaceRead, .namespaceWrite, .namespaceAdmin, .namespacesWrite,
        ] {
            #expect(try refusal("Bearer \(tenant.text)", scope, name, at: gate)?.status == 404)
        }
    }

    @Test(arguments: [
        Scope.clusterRead, .topologyWrite, .topologyForce, .namespacesWrite, .tokensAdmin,
    ])
    func `what a namespace token does not reach is refused by the name of the scope`(
        scope: Scope
    ) throws {
        let problem = try refusal("Bearer \(tenant.text)", scope, at: gate())
        #expect(problem?.status == 403)
        #expect(problem?.code == "forbidden")
        #expect(problem?.detail.contains(scope.rawValue) == true)
    }

    @Test(arguments: [
        TokenScopes.clusterRead, .topologyWrite, .topologyForce, .namespacesWrite, .tokensAdmin,
    ])
    func `each scope of an admin token opens what is named after it`(scopes: TokenScopes) throws {
        let gate = try gate(adminScopes: scopes)
        for scope in Scope.allCases where scope != .open && scope != .peer {
            let problem = try refusal("Bearer \(admin.text)", scope, "mine", at: gate)
            let opens: Bool =
                switch scope {
                case .any: true
                case .namespaceInfo: scopes == .clusterRead || scopes == .namespacesWrite
                case .namespaceRead, .namespaceWrite, .namespaceAdmin: scopes == .namespacesWrite
                default: scopes.words == [scope.rawValue]
                }
            #expect((problem == nil) == opens, "\(scope)")
            #expect(problem?.status ?? 403 == 403)
        }
    }

    // MARK: - Wrong credentials

    @Test(arguments: ["Bearer", "Bearer ", "Basic YTpi", "Bearer cvy_ns_x", "cvy_ns_x", ""])
    func `a credential that is none is refused with what is wanted`(text: String) throws {
        let problem = try refusal(text, .clusterRead, at: gate())
        #expect(problem?.status == 401)
        #expect(problem?.headers.contains { $0.name == "WWW-Authenticate" } == true)
    }

    @Test func `an id that there is not gets the same answer as a wrong secret`() throws {
        let gate = try gate(adminScopes: .allOfCluster)
        let stranger = Token(kind: .namespace)
        let unknown = try refusal("Bearer \(stranger.text)", .namespaceRead, at: gate)
        let forged = Token(lookupID: tenant.lookupID, secretOf: stranger)
        let wrong = try refusal("Bearer \(forged.text)", .namespaceRead, at: gate)
        #expect(unknown?.status == 401)
        #expect(unknown?.detail == wrong?.detail)
        #expect(unknown?.detail.contains(stranger.lookupID) == false)
    }

    @Test func `a token is good until its end and not at it`() throws {
        let text = "Bearer \(tenant.text)"
        #expect(try refusal(text, .any, at: gate(expiresAt: 1_001)) == nil)
        for end in [UInt64(1_000), 999] {
            let problem = try refusal(text, .any, at: gate(expiresAt: end))
            #expect(problem?.status == 401)
            #expect(problem?.detail.contains("expired") == true)
        }
    }

    @Test func `a token with networks is good from those alone`() throws {
        let gate = try gate(networks: ["10.1.0.0/16", "127.0.0.2/32"])
        let text = "Bearer \(tenant.text)"
        for address in ["10.1.2.3", "127.0.0.2"] {
            #expect(try refusal(text, .any, from: address, at: gate) == nil)
        }
        for address in ["127.0.0.1", "10.2.0.1"] {
            #expect(try refusal(text, .any, from: address, at: gate)?.code == "network-not-allowed")
        }
    }

    @Test func `while there is no state no token can be known`() throws {
        let gate = Gate(catalog: nil, now: { UnixMilliseconds(rawValue: 1) })
        let problem = try refusal("Bearer \(tenant.text)", .namespaceRead, at: gate)
        #expect(problem?.code == "not-ready")
        // The cluster that has adopted it counts, before anything of it is here.
        #expect(try admit(nil, .clusterRead, at: gate).get() == .anonymous)
        let adopted = Gate(
            catalog: nil, requiresTokenAnyway: true, now: { UnixMilliseconds(rawValue: 1) })
        for scope in [Scope.any, .clusterRead, .topologyForce, .namespaceRead] {
            #expect(try refusal(nil, scope, at: adopted)?.code == "not-ready")
        }
        #expect(try admit(nil, .open, at: adopted).get() == .anonymous)
    }
}

@Suite struct AdmissionWatchTests {
    @Test func `what goes on is ended once, when the right to it ends`() throws {
        let watch = AdmissionWatch()
        let isAdmitted = Monitor(true)
        let ended = Monitor(0)
        let refusal: @Sendable () -> Problem? = {
            isAdmitted.withLock { $0 } ? nil : .unauthorized("It was revoked.")
        }
        let ticket = watch.add(refusal) { _ in ended.update { $0 += 1 } }
        let over = watch.add(refusal) { _ in ended.update { $0 += 100 } }
        #expect(over.cancel())
        #expect(!over.cancel())
        #expect(!ticket.isOver)
        isAdmitted.update { $0 = false }
        let count = ended.wait(until: .now() + .seconds(60)) { $0 > 0 ? $0 : nil }
        #expect(count == 1)
        #expect(ticket.isOver)
        #expect(!ticket.cancel())

        // The thread that ended with the last one begins again.
        let next = watch.add(refusal) { _ in ended.update { $0 += 1 } }
        #expect(ended.wait(until: .now() + .seconds(60)) { $0 == 2 ? true : nil } == true)
        #expect(next.isOver)
    }
}

@Suite struct CredentialClockTests {
    @Test func `it goes on, and never behind the machine's`() {
        let clock = CredentialClock()
        var last = clock.now(nil)
        for _ in 0..<1_000 {
            let wall = UnixMilliseconds.now()
            let time = clock.now(nil)
            #expect(time >= last)
            #expect(time >= wall)
            last = time
        }
    }
}
