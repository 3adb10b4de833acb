import Engine

/// Who sends a request, as far as its credential says.
enum Caller: Equatable, Sendable {
    /// Without a credential: allowed until the first admin token exists, over loopback only.
    case anonymous
    /// With a token of one namespace.
    case namespaceToken(lookupID: String, NamespaceID)

    /// As documents and operations show it.
    var label: String {
        switch self {
        case .anonymous: "anonymous"
        case .namespaceToken(let lookupID, _): "token:\(lookupID)"
        }
    }

    /// The token that must still be there when a change is decided.
    var tokenID: String? {
        switch self {
        case .anonymous: nil
        case .namespaceToken(let lookupID, _): lookupID
        }
    }
}
