public import Log

/// The right that a change was asked for with. It held when the request came in; whether it still
/// does is decided with the change, at its place in the log.
public struct Credential: Equatable, Sendable {
    /// Nil without a token, which is allowed until there is an admin token.
    public var tokenID: String?
    public var author: ChangeAuthor
    /// Set when the right is a namespace token's: the one namespace that the change is in, by the name
    /// that the request has.
    public var namespace: NamespaceName?
    /// Set besides when the change itself names it by id: then a name that has moved on does not matter.
    public var namespaceID: NamespaceID?

    public init(
        tokenID: String?, namespace: NamespaceName? = nil, namespaceID: NamespaceID? = nil,
        author: ChangeAuthor = ChangeAuthor(who: "anonymous")
    ) {
        self.tokenID = tokenID
        self.author = author
        self.namespace = namespace
        self.namespaceID = namespaceID
    }
}

/// A change that is only made while the right that it was asked for with is there.
public struct Admitted<Inner: Change>: Change {
    public var change: Inner
    public var credential: Credential

    public init(_ change: Inner, by credential: Credential) {
        self.change = change
        self.credential = credential
    }

    public var kind: EntryKind { change.kind }
    public var bytes: Int { change.bytes }
    public var waitsForReplicas: Bool { change.waitsForReplicas }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> Inner.Answer {
        try section.check(credential)
        section.attribute(to: credential.author)
        return try change.decide(&section)
    }
}

extension DecidingSection {
    fileprivate func check(_ credential: Credential) throws(Refusal) {
        let catalog = catalog
        guard let id = credential.tokenID else {
            if catalog.requiresToken { throw .tokenRequired }
            return
        }
        guard let token = catalog.tokens[id], !token.isExpired(at: time) else {
            throw .tokenRevoked
        }
        if let id = credential.namespaceID {
            guard token.namespace == nil || token.namespace == id else { throw .tokenRevoked }
            return
        }
        // A name that means another namespace by now is not the one that the token opens.
        if let name = credential.namespace, let namespace = catalog.namespace(named: name),
            namespace.record.id != token.namespace
        {
            throw .tokenRevoked
        }
    }
}
