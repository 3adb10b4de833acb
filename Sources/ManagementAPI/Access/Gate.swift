import Access
import Engine
import HTTPServer
import JSON
import Platform

/// Decides whether a request comes in: its credential, and how far that reaches. The one place
/// where the scopes of the router's table are enforced.
struct Gate: Sendable {
    /// Nil while the node has no state: then no token can be looked up.
    let catalog: Catalog?
    /// Whether nobody comes in without a token while there is no state.
    var requiresTokenAnyway = false
    /// By which tokens expire.
    let now: @Sendable () -> UnixMilliseconds
    /// The token in whose right a browser's session is.
    var session: @Sendable (RequestHead) -> String? = { _ in nil }

    /// Who sends the request, if it may reach `scope`; `namespace` is the one that the path names.
    func admit(
        _ head: RequestHead, to scope: Scope, namespace: String?
    ) throws(Problem) -> Caller {
        guard scope != .open, scope != .peer else { return .anonymous }
        let fields = head.headers(named: "Authorization")
        guard let field = fields.first else {
            if let token = try sessionToken(head) {
                try check(token, may: scope, in: namespace)
                return Caller(token: token)
            }
            try checkOpen(head, scope)
            return .anonymous
        }
        guard fields.count == 1 else {
            throw .unauthorized("There is more than one Authorization header.")
        }
        let token = try token(field, from: head.remoteAddress)
        try check(token, may: scope, in: namespace)
        return Caller(token: token)
    }

    // MARK: - Without a credential

    /// Until the first admin token exists, this machine may do everything.
    private func checkOpen(_ head: RequestHead, _ scope: Scope) throws(Problem) {
        if catalog == nil, requiresTokenAnyway {
            throw .notReady(
                "This node's cluster wants a token, and without a state this node knows none. Ask another node, or try again."
            )
        }
        if catalog?.requiresToken ?? false {
            throw .unauthorized(
                "This needs a token: send Authorization: Bearer and one that begins with cvy_.")
        }
        guard head.remoteIsLoopback else {
            throw Problem(
                403, "forbidden",
                "Without a token this node answers requests from its own machine only. Send Authorization: Bearer with a token."
            ).with("scope", .string(scope.rawValue))
        }
    }

    // MARK: - With a session

    /// The token of the request's session, while both are good. A session that is over is none.
    private func sessionToken(_ head: RequestHead) throws(Problem) -> TokenRecord? {
        guard let id = session(head), let record = catalog?.token(id),
            !record.isExpired(at: now())
        else { return nil }
        // A browser sends the cookie by itself, so a change must say which page it comes from.
        let saysOrigin = head.header("Origin") != nil || head.header("Sec-Fetch-Site") != nil
        guard head.method == .get || head.method == .head || saysOrigin else {
            throw .badOrigin("A change with a session needs the header Origin.")
        }
        try checkLimits(of: record, from: head.remoteAddress)
        return record
    }

    // MARK: - With a token

    /// The token of an `Authorization` header, proven and not ended.
    private func token(_ field: String, from address: String) throws(Problem) -> TokenRecord {
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw .unauthorized("Authorization must be Bearer and a token that begins with cvy_.")
        }
        return try token(text: String(parts[1]), from: address)
    }

    /// The record of a token that is right, and may be used now and from `address`.
    func token(text: String, from address: String) throws(Problem) -> TokenRecord {
        guard let token = Token(text: text) else {
            throw .unauthorized("This is no token of Convoy. Check that it was copied whole.")
        }
        guard let catalog else {
            throw .notReady("This node has no state yet, so it knows no tokens. Try again.")
        }
        // An id that there is not takes the same time, and gets the same answer, as a wrong secret.
        let record = catalog.token(token.lookupID)
        let isProven = token.matches(
            algorithm: record?.algorithm ?? Token.algorithm, hash: record?.hash ?? Gate.noHash)
        guard let record, isProven, token.kind == record.tokenKind else {
            throw .unauthorized("The token is wrong, or was revoked.")
        }
        try checkLimits(of: record, from: address)
        return record
    }

    /// Whether a token that was proven may be used now, and from `address`.
    func checkLimits(of record: TokenRecord, from address: String) throws(Problem) {
        if record.expiresAt != nil, record.isExpired(at: now()) {
            throw .unauthorized("The token has expired. Use a new one.")
        }
        guard !record.networks.isEmpty else { return }
        guard let address = IPAddress(address),
            record.networks.contains(where: { Network($0)?.contains(address) ?? false })
        else {
            throw Problem(
                403, "network-not-allowed",
                "The token may not be used from this address. Its list of networks says from where."
            )
        }
    }

    /// Of no secret.
    private static let noHash = [UInt8](repeating: 0, count: 32)

    // MARK: - How far it reaches

    func check(
        _ token: TokenRecord, may scope: Scope, in namespace: String?
    ) throws(Problem) {
        guard let own = token.namespace else {
            let wanted = scope.ofAdminToken
            guard wanted.isEmpty || wanted.contains(where: token.scopes.contains) else {
                throw .forbidden(scope: wanted[0].words.joined())
            }
            return
        }
        if let namespace {
            // Other namespaces do not exist for it.
            let found = NamespaceName(rawValue: namespace).flatMap { catalog?.namespace(named: $0) }
            guard found?.record.id == own else {
                throw .notFound("There is no such namespace.")
            }
        }
        guard let wanted = scope.ofNamespaceToken else {
            throw .forbidden(scope: scope.rawValue)
        }
        guard token.scopes.isSuperset(of: wanted) else {
            throw .forbidden(scope: wanted.words.joined())
        }
    }
}

extension TokenRecord {
    var tokenKind: Token.Kind { namespace == nil ? .admin : .namespace }
}
