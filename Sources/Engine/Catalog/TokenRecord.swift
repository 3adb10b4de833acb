public import Platform

/// What a token opens, and the hash that proves it. The token itself is stored nowhere.
public struct TokenRecord: Equatable, Sendable {
    /// The public part of the token, by which it is found.
    public var lookupID: String
    public var namespace: NamespaceID
    /// Such as `sha256`.
    public var algorithm: String
    public var hash: [UInt8]
    public var createdAt: UnixMilliseconds
    public var description: String?

    public init(
        lookupID: String, namespace: NamespaceID, algorithm: String, hash: [UInt8],
        createdAt: UnixMilliseconds, description: String? = nil
    ) {
        self.lookupID = lookupID
        self.namespace = namespace
        self.algorithm = algorithm
        self.hash = hash
        self.createdAt = createdAt
        self.description = description
    }

    private static let formatVersion: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.little(TokenRecord.formatVersion)
        writer.little(namespace.rawValue)
        writer.appendCounted(algorithm)
        writer.appendCounted(hash)
        writer.little(createdAt.rawValue)
        writer.optional(description)
        return writer.bytes
    }

    init?(id: [UInt8], decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let lookupID = String(validating: id, as: UTF8.self),
            let format: UInt8 = reader.little(), format == TokenRecord.formatVersion,
            let namespace: UInt32 = reader.little(), let algorithm = reader.countedText(),
            let hash = reader.counted(), let createdAt: UInt64 = reader.little(),
            let description = reader.optionalText(), reader.isAtEnd
        else { return nil }
        self.init(
            lookupID: lookupID, namespace: NamespaceID(rawValue: namespace), algorithm: algorithm,
            hash: hash, createdAt: UnixMilliseconds(rawValue: createdAt), description: description)
    }
}
