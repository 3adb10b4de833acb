public import Log
import Platform

/// What is stored of a token.
public struct TokenSeed: Sendable {
    public var lookupID: String
    public var algorithm: String
    public var hash: [UInt8]

    public init(lookupID: String, algorithm: String, hash: [UInt8]) {
        self.lookupID = lookupID
        self.algorithm = algorithm
        self.hash = hash
    }
}

/// Whose tokens a change is about.
public enum TokenOwner: Equatable, Sendable {
    case cluster
    case namespace(NamespaceName)
}

/// Makes a token.
public struct CreateToken: Change {
    /// Of one namespace.
    public static let perNamespaceMax = 100
    public static let adminTokensMax = 1_000

    public var owner: TokenOwner
    public var seed: TokenSeed
    public var scopes: TokenScopes
    public var description: String?
    public var lifetime: Duration?
    /// Address ranges, each in its one spelling.
    public var networks: [String]

    public init(
        _ owner: TokenOwner, _ seed: TokenSeed, scopes: TokenScopes, description: String? = nil,
        lifetime: Duration? = nil, networks: [String] = []
    ) {
        self.owner = owner
        self.seed = seed
        self.scopes = scopes
        self.description = description
        self.lifetime = lifetime
        self.networks = networks
    }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 1024 }
    /// A token that counts and was not shown, since a replica was late, would lock everybody out.
    public var waitsForReplicas: Bool { false }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> TokenRecord {
        let namespace = try section.namespaceID(of: owner)
        if namespace == nil, !scopes.contains(.tokensAdmin),
            !section.hasTokenMaker(besides: nil)
        {
            throw .firstAdminTokenTooNarrow
        }
        let record = TokenRecord(
            lookupID: seed.lookupID, namespace: namespace, algorithm: seed.algorithm,
            hash: seed.hash, scopes: scopes, createdAt: section.time, description: description,
            expiresAt: lifetime.map(section.time.advanced(by:)), networks: networks)
        try section.makeRoomForToken(of: namespace)
        section.putToken(record)
        return record
    }
}

/// Ends a token at once.
public struct RevokeToken: Change {
    public var owner: TokenOwner
    public var lookupID: String

    public init(_ owner: TokenOwner, _ lookupID: String) {
        self.owner = owner
        self.lookupID = lookupID
    }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 256 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> TokenRecord {
        let token = try section.token(lookupID, of: owner)
        if token.namespace == nil, !section.hasSuccessor(of: token) {
            throw .lastAdminToken
        }
        section.removeRecord(.token, Array(lookupID.utf8))
        return token
    }
}

/// Replaces a token by another that may do the same; the old one is good for a while yet.
public struct RotateToken: Change {
    public var owner: TokenOwner
    public var lookupID: String
    public var seed: TokenSeed
    /// Zero ends the old token at once.
    public var grace: Duration

    public init(_ owner: TokenOwner, _ lookupID: String, by seed: TokenSeed, grace: Duration) {
        self.owner = owner
        self.lookupID = lookupID
        self.seed = seed
        self.grace = grace
    }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 2048 }
    /// As of ``CreateToken``.
    public var waitsForReplicas: Bool { false }

    public struct Answer: Sendable {
        public var token: TokenRecord
        /// The old one; nil when it is gone.
        public var replaced: TokenRecord?
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> Answer {
        var old = try section.token(lookupID, of: owner)
        guard !old.isExpired(at: section.time) else { throw .tokenNotFound(lookupID) }
        if let successor = old.successor { throw .tokenReplaced(successor) }
        var token = old
        token.lookupID = seed.lookupID
        token.algorithm = seed.algorithm
        token.hash = seed.hash
        token.createdAt = section.time
        // A token with an end lives as long again as it was given at first.
        token.expiresAt = old.expiresAt.map {
            section.time.advanced(by: .milliseconds($0.rawValue - old.createdAt.rawValue))
        }
        guard grace > .zero else {
            section.call("token.rotate")
            section.removeRecord(.token, Array(lookupID.utf8))
            section.putToken(token)
            return Answer(token: token, replaced: nil)
        }
        try section.makeRoomForToken(of: old.namespace)
        old.successor = token.lookupID
        old.expiresAt = min(
            old.expiresAt ?? section.time.advanced(by: grace), section.time.advanced(by: grace))
        section.putToken(old)
        section.putToken(token)
        return Answer(token: token, replaced: old)
    }
}

extension UnixMilliseconds {
    func advanced(by duration: Duration) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: rawValue + UInt64(max(0, duration.wholeMilliseconds)))
    }
}

extension DecidingSection {
    mutating func putToken(_ record: TokenRecord) {
        putRecord(.token, Array(record.lookupID.utf8), record.encoded())
    }

    fileprivate func namespaceID(of owner: TokenOwner) throws(Refusal) -> NamespaceID? {
        guard case .namespace(let name) = owner else { return nil }
        guard let namespace = catalog.namespace(named: name) else {
            throw .namespaceNotFound(name)
        }
        return namespace.record.id
    }

    fileprivate func token(_ id: String, of owner: TokenOwner) throws(Refusal) -> TokenRecord {
        let namespace = try namespaceID(of: owner)
        guard let token = catalog.tokens[id], token.namespace == namespace else {
            throw .tokenNotFound(id)
        }
        return token
    }

    /// Whether an admin token other than `id` may make tokens now; with `isLasting` for ever.
    fileprivate func hasTokenMaker(besides id: String?) -> Bool {
        catalog.tokens(of: nil).contains { token in
            token.lookupID != id && token.scopes.contains(.tokensAdmin)
                && !token.isExpired(at: time)
        }
    }

    /// Whether another token makes tokens, never ends, and is good wherever `token` is.
    fileprivate func hasSuccessor(of token: TokenRecord) -> Bool {
        catalog.tokens(of: nil).contains { other in
            let isGoodThere =
                other.networks.isEmpty
                || (!token.networks.isEmpty && Set(other.networks).isSuperset(of: token.networks))
            return other.lookupID != token.lookupID && other.scopes.contains(.tokensAdmin)
                && other.expiresAt == nil && isGoodThere
        }
    }

    /// Ended tokens stay in the list until their place is needed; the oldest goes first.
    fileprivate mutating func makeRoomForToken(of namespace: NamespaceID?) throws(Refusal) {
        let tokens = catalog.tokens(of: namespace)
        let countMax =
            namespace == nil ? CreateToken.adminTokensMax : CreateToken.perNamespaceMax
        guard tokens.count >= countMax else { return }
        guard let ended = tokens.first(where: { $0.isExpired(at: time) }) else {
            throw .limitReached(
                namespace == nil
                    ? "admin tokens than \(countMax)" : "tokens of a namespace than \(countMax)")
        }
        removeRecord(.token, Array(ended.lookupID.utf8))
    }
}
