import Access
import Engine
import HTTPServer
import JSON

/// Decides whether a request comes in: its credential, and how far that reaches.
struct Gate: Sendable {
    /// Nil while the node has no state: then no token can be looked up.
    let catalog: Catalog?

    /// Who sends the request, if it may reach `scope`; `namespace` is the one that the path names.
    func admit(
        _ head: RequestHead, to scope: Scope, namespace: String?
    ) throws(Problem) -> Caller {
        guard scope != .open, scope != .peer else { return .anonymous }
        let fields = head.headers(named: "Authorization")
        guard let field = fields.first else {
            guard head.remoteIsLoopback else {
                throw Problem(
                    403, "forbidden",
                    "Without a token this node answers requests from its own machine only. Send Authorization: Bearer with a token."
                ).with("scope", .string(scope.rawValue))
            }
            return .anonymous
        }
        guard fields.count == 1 else {
            throw .unauthorized("There is more than one Authorization header.")
        }
        let (lookupID, id) = try tokenOwner(field)
        try check(id, may: scope, in: namespace)
        return .namespaceToken(lookupID: lookupID, id)
    }

    private func tokenOwner(_ field: String) throws(Problem) -> (String, NamespaceID) {
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw .unauthorized("Authorization must be Bearer and a token that begins with cvy_.")
        }
        guard let token = Token(text: String(parts[1])) else {
            throw .unauthorized("This is no token of Convoy. Check that it was copied whole.")
        }
        guard let catalog else {
            throw .notReady("This node has no state yet, so it knows no tokens. Try again.")
        }
        guard let record = catalog.tokens[token.lookupID],
            token.matches(algorithm: record.algorithm, hash: record.hash)
        else { throw .unauthorized("The token is wrong, or was revoked.") }
        return (record.lookupID, record.namespace)
    }

    /// What a token of one namespace reaches; other namespaces do not exist for it.
    private func check(
        _ id: NamespaceID, may scope: Scope, in namespace: String?
    ) throws(Problem) {
        if let namespace {
            let found = NamespaceName(rawValue: namespace).flatMap { catalog?.namespace(named: $0) }
            guard found?.record.id == id else {
                throw .notFound("There is no such namespace.")
            }
        }
        switch scope {
        case .open, .namespaceRead, .namespaceWrite, .peer: return
        case .clusterRead, .topologyWrite, .topologyForce, .namespacesWrite:
            throw .forbidden(scope: scope.rawValue)
        }
    }
}
