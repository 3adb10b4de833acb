/// What a token may do. On disk: never renumber.
///
/// A token of one namespace has some of the first three, an admin token some of the others; none
/// includes another.
public struct TokenScopes: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let read = TokenScopes(rawValue: 1 << 0)
    public static let write = TokenScopes(rawValue: 1 << 1)
    /// The tokens of the namespace.
    public static let admin = TokenScopes(rawValue: 1 << 2)

    public static let clusterRead = TokenScopes(rawValue: 1 << 8)
    public static let topologyWrite = TokenScopes(rawValue: 1 << 9)
    public static let topologyForce = TokenScopes(rawValue: 1 << 10)
    public static let namespacesWrite = TokenScopes(rawValue: 1 << 11)
    public static let tokensAdmin = TokenScopes(rawValue: 1 << 12)

    /// Everything that a token of one namespace can have.
    public static let allOfNamespace: TokenScopes = [.read, .write, .admin]
    /// Everything that an admin token can have.
    public static let allOfCluster: TokenScopes = [
        .clusterRead, .topologyWrite, .topologyForce, .namespacesWrite, .tokensAdmin,
    ]

    private static let named: [(word: String, scope: TokenScopes)] = [
        ("read", .read), ("write", .write), ("admin", .admin), ("cluster:read", .clusterRead),
        ("topology:write", .topologyWrite), ("topology:force", .topologyForce),
        ("namespaces:write", .namespacesWrite), ("tokens:admin", .tokensAdmin),
    ]

    /// One scope by its word; nil for anything else.
    public init?(word: String) {
        guard let scope = TokenScopes.named.first(where: { $0.word == word })?.scope else {
            return nil
        }
        self = scope
    }

    /// In the order of the contract.
    public var words: [String] {
        TokenScopes.named.filter { contains($0.scope) }.map(\.word)
    }
}
