import Engine

/// What an operation needs. The raw values are the `x-convoy-scope` of openapi/convoy.yaml.
public enum Scope: String, CaseIterable, Sendable {
    /// Nothing, not even a credential.
    case open = "public"
    /// Any credential.
    case any = "any"
    case clusterRead = "cluster:read"
    case topologyWrite = "topology:write"
    case topologyForce = "topology:force"
    case namespacesWrite = "namespaces:write"
    case tokensAdmin = "tokens:admin"
    /// What a namespace is, not what it holds.
    case namespaceInfo = "namespace:info"
    case namespaceRead = "namespace:read"
    case namespaceWrite = "namespace:write"
    /// The tokens of a namespace.
    case namespaceAdmin = "namespace:admin"
    /// Another node of the cluster: never in the document.
    case peer

    /// Of these an admin token needs one, and lacks the first; empty when it needs none.
    var ofAdminToken: [TokenScopes] {
        switch self {
        case .open, .any, .peer: []
        case .clusterRead: [.clusterRead]
        case .topologyWrite: [.topologyWrite]
        case .topologyForce: [.topologyForce]
        case .namespacesWrite: [.namespacesWrite]
        case .tokensAdmin: [.tokensAdmin]
        case .namespaceInfo: [.clusterRead, .namespacesWrite]
        case .namespaceRead, .namespaceWrite, .namespaceAdmin: [.namespacesWrite]
        }
    }

    /// What a token of the namespace needs; nil when no such token is enough.
    var ofNamespaceToken: TokenScopes? {
        switch self {
        case .open, .any, .namespaceInfo: []
        case .namespaceRead: .read
        case .namespaceWrite: .write
        case .namespaceAdmin: .admin
        case .clusterRead, .topologyWrite, .topologyForce, .namespacesWrite, .tokensAdmin, .peer:
            nil
        }
    }
}
