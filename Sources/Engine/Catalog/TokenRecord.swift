public import Platform

/// What a token opens, and the hash that proves it. The token itself is stored nowhere.
public struct TokenRecord: Equatable, Sendable {
    /// The public part of the token, by which it is found.
    public var lookupID: String
    /// Of an admin token nil.
    public var namespace: NamespaceID?
    /// Such as `sha256`.
    public var algorithm: String
    public var hash: [UInt8]
    public var scopes: TokenScopes
    public var createdAt: UnixMilliseconds
    public var description: String?
    /// From then on it opens nothing.
    public var expiresAt: UnixMilliseconds?
    /// The address ranges that it may be used from; empty for any.
    public var networks: [String]
    /// The token that replaces it, since a rotation.
    public var successor: String?

    public init(
        lookupID: String, namespace: NamespaceID?, algorithm: String, hash: [UInt8],
        scopes: TokenScopes = .allOfNamespace, createdAt: UnixMilliseconds,
        description: String? = nil, expiresAt: UnixMilliseconds? = nil, networks: [String] = [],
        successor: String? = nil
    ) {
        self.lookupID = lookupID
        self.namespace = namespace
        self.algorithm = algorithm
        self.hash = hash
        self.scopes = scopes
        self.createdAt = createdAt
        self.description = description
        self.expiresAt = expiresAt
        self.networks = networks
        self.successor = successor
    }

    public func isExpired(at time: UnixMilliseconds) -> Bool {
        expiresAt.map { $0 <= time } ?? false
    }

    // MARK: - Bytes

    /// Of a namespace's first token, which nearly all are: everything allowed, no limits.
    private static let plainFormat: UInt8 = 1
    private static let fullFormat: UInt8 = 2

    private var isPlain: Bool {
        namespace != nil && scopes == .allOfNamespace && expiresAt == nil && networks.isEmpty
            && successor == nil
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.little(isPlain ? TokenRecord.plainFormat : TokenRecord.fullFormat)
        // No namespace has the id 0.
        writer.little(namespace?.rawValue ?? 0)
        writer.appendCounted(algorithm)
        writer.appendCounted(hash)
        writer.little(createdAt.rawValue)
        writer.optional(description)
        guard !isPlain else { return writer.bytes }
        writer.little(scopes.rawValue)
        writer.optional(expiresAt?.rawValue)
        writer.little(UInt8(clamping: networks.count))
        for network in networks { writer.appendCounted(network) }
        writer.optional(successor)
        return writer.bytes
    }

    init?(id: [UInt8], decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let lookupID = String(validating: id, as: UTF8.self),
            let format: UInt8 = reader.little(),
            format == TokenRecord.plainFormat || format == TokenRecord.fullFormat,
            let namespace: UInt32 = reader.little(), let algorithm = reader.countedText(),
            let hash = reader.counted(), let createdAt: UInt64 = reader.little(),
            let description = reader.optionalText()
        else { return nil }
        self.init(
            lookupID: lookupID, namespace: namespace == 0 ? nil : NamespaceID(rawValue: namespace),
            algorithm: algorithm, hash: hash, createdAt: UnixMilliseconds(rawValue: createdAt),
            description: description)
        if format == TokenRecord.fullFormat {
            guard readLimits(&reader) else { return nil }
        }
        guard reader.isAtEnd else { return nil }
    }

    private mutating func readLimits(_ reader: inout ByteReader) -> Bool {
        guard let scopes: UInt16 = reader.little(), let expiresAt: UInt64? = reader.optional(),
            let count: UInt8 = reader.little()
        else { return false }
        self.scopes = TokenScopes(rawValue: scopes)
        self.expiresAt = expiresAt.map(UnixMilliseconds.init(rawValue:))
        for _ in 0..<count {
            guard let network = reader.countedText() else { return false }
            networks.append(network)
        }
        guard let successor = reader.optionalText() else { return false }
        self.successor = successor
        return true
    }
}
