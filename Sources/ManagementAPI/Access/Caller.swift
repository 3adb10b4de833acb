import Engine
import HTTPServer

/// Who sends a request, as far as its credential says.
struct Caller: Equatable, Sendable {
    /// Nil without a credential: allowed until the first admin token exists, over loopback only.
    let token: TokenRecord?

    static let anonymous = Caller(token: nil)

    /// As documents and operations show it.
    var label: String { token.map { "token:\($0.lookupID)" } ?? "anonymous" }

    /// The only namespace that there is for the caller; nil when there are all.
    var namespace: NamespaceID? { token?.namespace }
}

extension Call {
    /// The change, made only while the caller's right is there.
    func admitted<C: Change>(_ change: C) -> Admitted<C> { Admitted(change, by: credential) }

    /// What the caller's right is, for changes that the node makes on its behalf.
    var credential: Credential {
        let name = caller.namespace == nil ? nil : parameters.first { $0.name == "ns" }?.value
        return Credential(
            tokenID: caller.token?.lookupID, namespace: name.flatMap(NamespaceName.init(rawValue:)),
            author: author)
    }

    /// For the audit.
    private var author: ChangeAuthor {
        ChangeAuthor(
            who: caller.label, address: head.remoteAddress,
            reason: head.header(Call.reasonHeader).flatMap { $0.isEmpty ? nil : $0 })
    }

    /// As topologies and operations name whoever made them.
    var changedBy: String { ChangeAuthor(who: caller.label, address: head.remoteAddress).text }
}
