import Access
import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// Tokens, of the cluster's admins and of each namespace: listed, made, replaced, ended.
enum TokenResource {
    static let routes: [Route] =
        table("/v1/tokens", .tokensAdmin)
        + table("/v1/namespaces/{ns}/tokens", .namespaceAdmin)
        + [Route(.get, "/v1/whoami", .any, whoAmI)]

    private static func table(_ path: String, _ scope: Scope) -> [Route] {
        [
            Route(.get, path, scope, query: ["page_size", "page_token"], list),
            Route(
                .post, path, scope, body: body, effect: .changes(needsSpace: true), create),
            Route(.delete, path + "/{id}", scope, effect: .changes(needsSpace: false), revoke),
            Route(
                .post, path + "/{id}/rotate", scope, body: body,
                effect: .changes(needsSpace: false), rotate),
        ]
    }

    private static let body = Route.BodyRule.json(bytesMax: 64 << 10)
    /// Ten years.
    private static let lifetimeSecondsMax = 315_360_000
    /// Thirty days.
    private static let graceSecondsMax = 2_592_000
    private static let networksMax = 16

    // MARK: - Reading

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .tokens)
        let catalog = try call.engine().state.catalog
        let owner = try call.isOfNamespace ? call.namespace(catalog).record.id : nil
        var found = catalog.tokens(of: owner)
        if let after = page.after {
            let place = found.firstIndex { Array($0.lookupID.utf8) == after }
            // Ended meanwhile: begin again.
            found = place.map { Array(found[($0 + 1)...]) } ?? found
        }
        let (items, next) = Page.cut(
            Array(found.prefix(page.size + 1)), size: page.size, .tokens
        ) { Array($0.lookupID.utf8) }
        return .response(.json(Page.json(items.map { call.json($0) }, next: next)))
    }

    private static func whoAmI(_ call: Call) throws(Problem) -> Route.Outcome {
        guard let token = call.caller.token else {
            return .response(
                .json([
                    "kind": "anonymous", "id": .null, "namespace": .null,
                    "scopes": .array(TokenScopes.allOfCluster.words.map { .string($0) }),
                    "expires_at": .null,
                ]))
        }
        let catalog = try call.engine().state.catalog
        let name = token.namespace.flatMap { catalog.namespace($0)?.record.name.rawValue }
        return .response(
            .json([
                "kind": .string(token.namespace == nil ? "admin" : "namespace"),
                "id": .string(token.lookupID), "namespace": .orNull(name),
                "scopes": .array(token.scopes.words.map { .string($0) }),
                "expires_at": .orNull(token.expiresAt?.rfc3339),
            ]))
    }

    // MARK: - Changing

    private static func create(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(),
            allowing: ["scopes", "description", "expires_in_seconds", "networks"], faults)
        let all: TokenScopes = call.isOfNamespace ? .allOfNamespace : .allOfCluster
        let scopes = scopes(fields, of: all)
        let description = fields.parsed("description", "a text of 1 to 256 characters") {
            (1...256).contains($0.unicodeScalars.count) ? $0 : nil
        }
        let seconds = fields.integer("expires_in_seconds", in: 1...lifetimeSecondsMax)
        let networks = networks(fields)
        checkReach(call, networks, faults)
        try faults.check()
        let token = Token(kind: call.isOfNamespace ? .namespace : .admin)
        let change = CreateToken(
            try call.tokenOwner(), token.seed, scopes: scopes, description: description,
            lifetime: seconds.map { .seconds($0) }, networks: networks)
        return try call.commit(change) { committed in
            var document = call.json(committed.answer).objectValue ?? [:]
            document["token"] = .string(token.text)
            return .json(
                .object(document), status: 201,
                headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    private static func rotate(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["grace_seconds"], faults)
        let grace = fields.integer("grace_seconds", in: 0...graceSecondsMax, isRequired: true)
        try faults.check()
        let token = Token(kind: call.isOfNamespace ? .namespace : .admin)
        let change = RotateToken(
            try call.tokenOwner(), call.parameter("id"), by: token.seed,
            grace: .seconds(grace ?? 0))
        return try call.commit(change, needsSpace: false) { committed in
            var document = call.json(committed.answer.token).objectValue ?? [:]
            document["token"] = .string(token.text)
            document["replaced"] = committed.answer.replaced.map { call.json($0) } ?? .null
            return .json(
                .object(document), status: 201,
                headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    private static func revoke(_ call: Call) throws(Problem) -> Route.Outcome {
        let change = RevokeToken(try call.tokenOwner(), call.parameter("id"))
        return try call.commit(change, needsSpace: false) { .position($0.position) }
    }

    // MARK: - Fields

    /// At least one, each once, all of `all`.
    private static func scopes(_ fields: Fields, of all: TokenScopes) -> TokenScopes {
        var scopes: TokenScopes = []
        let words = all.words
        let list = fields.list("scopes", count: 1...words.count, isRequired: true)
        for item in list ?? [] {
            guard let word = item.value.stringValue, words.contains(word),
                let scope = TokenScopes(word: word), !scopes.contains(scope)
            else {
                fields.faults.report(
                    item.pointer, "invalid",
                    "It must be one of \(words.joined(separator: ", ")), each once.")
                continue
            }
            scopes.insert(scope)
        }
        return scopes
    }

    /// Who makes the first admin token needs it for whatever comes next: it must be good from where that came.
    private static func checkReach(_ call: Call, _ networks: [String], _ faults: FaultList) {
        guard !call.isOfNamespace, call.caller.token == nil, !networks.isEmpty,
            let address = IPAddress(call.head.remoteAddress),
            !networks.contains(where: { Network($0)?.contains(address) ?? false })
        else { return }
        faults.report(
            "/networks", "would-lock-out",
            "This is the first admin token, and this request comes from \(address), which is in none of them: nobody could go on from here. Add it."
        )
    }

    private static func networks(_ fields: Fields) -> [String] {
        let list = fields.list("networks", count: 0...networksMax) ?? []
        return list.compactMap { item in
            guard let network = item.value.stringValue.flatMap(Network.init(_:)) else {
                fields.faults.report(item.pointer, "invalid", "It must be \(Network.rule).")
                return nil
            }
            return network.description
        }
    }
}

extension Call {
    /// Whether the path is one of a namespace.
    fileprivate var isOfNamespace: Bool { parameters.contains { $0.name == "ns" } }

    fileprivate func tokenOwner() throws(Problem) -> TokenOwner {
        isOfNamespace ? .namespace(try namespaceName()) : .cluster
    }

    /// A token as lists show it: never its secret, and not the hash.
    fileprivate func json(_ token: TokenRecord) -> JSONValue {
        let isExpired = token.isExpired(at: api.now())
        return [
            "id": .string(token.lookupID),
            "scopes": .array(token.scopes.words.map { .string($0) }),
            "description": .orNull(token.description),
            "created_at": .string(token.createdAt.rfc3339),
            "expires_at": .orNull(token.expiresAt?.rfc3339),
            "networks": .array(token.networks.map { .string($0) }),
            "replaced_by": .orNull(token.successor),
            "state": .string(isExpired ? "expired" : "active"),
            "last_used_at": .orNull(api.tokenUse.last(of: token.lookupID)?.rfc3339),
        ]
    }
}

extension Token {
    /// What is stored of it.
    var seed: TokenSeed {
        TokenSeed(lookupID: lookupID, algorithm: Token.algorithm, hash: hash)
    }
}
