import Platform
import Testing

@testable import Engine

@Suite struct TokenChangesTests {
    private func seed(_ id: String) -> TokenSeed {
        TokenSeed(lookupID: id, algorithm: "sha256", hash: bytes("hash of \(id)"))
    }

    private func create(
        _ id: String, of owner: TokenOwner = .namespace("a"), scopes: TokenScopes = .read,
        lifetime: Duration? = nil
    ) -> CreateToken {
        CreateToken(
            owner, seed(id), scopes: scopes, description: "of \(id)", lifetime: lifetime,
            networks: ["10.0.0.0/8"])
    }

    private func ids(_ engine: Engine, of namespace: NamespaceName?) throws -> [String] {
        let id = try namespace.map { try engine.namespace($0).record.id }
        return engine.state.catalog.tokens(of: id).map(\.lookupID)
    }

    @Test func `a token is stored whole, survives a restart, and ends when it is revoked`() throws {
        let directory = try TestDirectory()
        var (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b")
        let made = try committer.done(create("t1", lifetime: .seconds(60)))
        #expect(made.expiresAt?.rawValue == made.createdAt.rawValue + 60_000)
        #expect(made.networks == ["10.0.0.0/8"])
        try committer.done(create("admin", of: .cluster, scopes: .allOfCluster))
        committer.stop(until: soon)
        (engine, _) = try Engine.reopen(try directory.copy(of: engine))
        committer = engine.nextCommitter()
        #expect(engine.state.catalog.tokens["t1"] == made)
        #expect(try ids(engine, of: "a") == ["t1"])
        #expect(try ids(engine, of: nil) == ["admin"])
        #expect(engine.state.catalog.requiresToken)

        #expect(committer.refusal(RevokeToken(.namespace("b"), "t1")) == .tokenNotFound("t1"))
        #expect(committer.refusal(RevokeToken(.cluster, "t1")) == .tokenNotFound("t1"))
        #expect(committer.refusal(RevokeToken(.namespace("a"), "admin")) == .tokenNotFound("admin"))
        #expect(committer.refusal(create("x", of: .namespace("no"))) == .namespaceNotFound("no"))
        try committer.done(RevokeToken(.namespace("a"), "t1"))
        #expect(try ids(engine, of: "a") == [])
        #expect(committer.refusal(RevokeToken(.namespace("a"), "t1")) == .tokenNotFound("t1"))
        committer.stop(until: soon)
    }

    @Test func `a namespace that is renamed keeps its tokens, and one that is deleted takes them`()
        throws
    {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b")
        for id in ["t1", "t2"] { try committer.done(create(id)) }
        try committer.done(create("other", of: .namespace("b")))
        var rename = UpdateNamespace(name: "a")
        rename.newName = .set("c")
        try committer.done(rename)
        #expect(try ids(engine, of: "c") == ["t1", "t2"])
        try committer.done(DeleteNamespace(name: "c"))
        #expect(engine.state.catalog.tokens.keys.sorted() == ["other"])
        committer.stop(until: soon)
    }

    @Test func `there is always an admin token that can make others, once there is one`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let narrow = create("narrow", of: .cluster, scopes: .clusterRead)
        #expect(committer.refusal(narrow) == .firstAdminTokenTooNarrow)
        #expect(!engine.state.catalog.requiresToken)
        try committer.done(create("first", of: .cluster, scopes: .tokensAdmin))
        try committer.done(narrow)
        #expect(committer.refusal(RevokeToken(.cluster, "first")) == .lastAdminToken)
        let rotate = RotateToken(.cluster, "first", by: seed("second"), grace: .zero)
        try committer.done(rotate)
        #expect(try ids(engine, of: nil).sorted() == ["narrow", "second"])
        try committer.done(create("third", of: .cluster, scopes: .tokensAdmin))
        try committer.done(RevokeToken(.cluster, "second"))
        #expect(committer.refusal(RevokeToken(.cluster, "third")) == .lastAdminToken)
        #expect(engine.state.catalog.requiresToken)
        committer.stop(until: soon)
    }

    @Test func `a token that is rotated has a successor and an end`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        let old = try committer.done(
            create("old", scopes: [.read, .admin], lifetime: .seconds(90)))
        let rotated = try committer.done(
            RotateToken(.namespace("a"), "old", by: seed("new"), grace: .seconds(60)))
        let token = rotated.token
        #expect(token.lookupID == "new")
        #expect(token.hash == bytes("hash of new"))
        #expect(token.scopes == [.read, .admin])
        #expect(token.description == old.description)
        #expect(token.networks == old.networks)
        // As long again as the old one was given at first.
        #expect(token.expiresAt?.rawValue == token.createdAt.rawValue + 90_000)
        #expect(engine.state.catalog.tokens["old"]?.successor == "new")
        let end = try #require(rotated.replaced?.expiresAt)
        #expect(end.rawValue <= token.createdAt.rawValue + 60_000)
        let again = RotateToken(.namespace("a"), "old", by: seed("newer"), grace: .zero)
        #expect(committer.refusal(again) == .tokenReplaced("new"))
        // A grace never makes an old token live longer than it would have.
        let last = try committer.done(
            RotateToken(.namespace("a"), "new", by: seed("last"), grace: .seconds(1_000)))
        #expect(last.replaced?.expiresAt == token.expiresAt)
        committer.stop(until: soon)
    }

    @Test func `tokens have a limit, and those that have ended make room`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        try committer.done(create("short", lifetime: .milliseconds(1)))
        for number in 1..<CreateToken.perNamespaceMax { try committer.done(create("t\(number)")) }
        #expect(try ids(engine, of: "a").count == CreateToken.perNamespaceMax)
        rest(.milliseconds(5))
        try committer.done(create("next"))
        #expect(try ids(engine, of: "a").count == CreateToken.perNamespaceMax)
        #expect(engine.state.catalog.tokens["short"] == nil)
        guard case .limitReached = committer.refusal(create("more")) else {
            Issue.record("there are more tokens than the limit")
            return
        }
        committer.stop(until: soon)
    }

    @Test func `a request without a token is refused where it is decided, once one is needed`()
        throws
    {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        let change = Admitted(
            CreateNamespaces([NamespaceSeed(name: "a")]), by: Credential(tokenID: nil))
        try committer.done(change)
        try committer.done(create("admin", of: .cluster, scopes: .allOfCluster))
        #expect(committer.refusal(change) == .tokenRequired)
        committer.stop(until: soon)
    }

    @Test func `a token that has expired is refused where the change is decided`() throws {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        try committer.done(create("t1", scopes: .write, lifetime: .milliseconds(1)))
        rest(.milliseconds(5))
        let change = Admitted(
            FlushNamespace(name: "a"), by: Credential(tokenID: "t1", namespace: "a"))
        #expect(committer.refusal(change) == .tokenRevoked)
        committer.stop(until: soon)
    }

    private func rest(_ time: Duration) {
        _ = Monitor(()).wait(until: .now() + time) { _ -> Void? in nil }
    }
}
