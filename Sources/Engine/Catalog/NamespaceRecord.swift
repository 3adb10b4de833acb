public import Platform

/// A tenant: a name for an id, and what it may do.
public struct NamespaceRecord: Equatable, Sendable {
    public var id: NamespaceID
    public var name: NamespaceName
    /// In the keys of its data; raised by a flush.
    public var epoch: UInt32
    public var createdAt: UnixMilliseconds
    public var quotaKeys: UInt64?
    public var quotaBytes: UInt64?
    public var isReadOnly: Bool
    /// To use more than these is told, and refused nothing for.
    public var softQuotaKeys: UInt64?
    public var softQuotaBytes: UInt64?
    /// Of requests to its data, at each node; at least 1.
    public var requestsPerSecondMax: UInt64?

    /// Of a namespace that was never flushed.
    public static let epochFirst: UInt32 = 1

    public init(
        id: NamespaceID, name: NamespaceName, epoch: UInt32 = epochFirst,
        createdAt: UnixMilliseconds,
        quotaKeys: UInt64? = nil, quotaBytes: UInt64? = nil, isReadOnly: Bool = false,
        softQuotaKeys: UInt64? = nil, softQuotaBytes: UInt64? = nil,
        requestsPerSecondMax: UInt64? = nil
    ) {
        self.id = id
        self.name = name
        self.epoch = epoch
        self.createdAt = createdAt
        self.quotaKeys = quotaKeys
        self.quotaBytes = quotaBytes
        self.isReadOnly = isReadOnly
        self.softQuotaKeys = softQuotaKeys
        self.softQuotaBytes = softQuotaBytes
        self.requestsPerSecondMax = requestsPerSecondMax
    }

    /// Whether there is anything that a write can be refused for, or that is warned of.
    var isLimited: Bool {
        isReadOnly || quotaKeys != nil || quotaBytes != nil || softQuotaKeys != nil
            || softQuotaBytes != nil
    }

    /// Of one without soft quotas and without a limit of requests, which most are.
    private static let plainFormat: UInt8 = 1
    private static let fullFormat: UInt8 = 2

    private var isPlain: Bool {
        softQuotaKeys == nil && softQuotaBytes == nil && requestsPerSecondMax == nil
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.little(isPlain ? NamespaceRecord.plainFormat : NamespaceRecord.fullFormat)
        writer.appendCounted(name.rawValue)
        writer.little(epoch)
        writer.little(createdAt.rawValue)
        writer.optional(quotaKeys)
        writer.optional(quotaBytes)
        writer.little(UInt8(isReadOnly ? 1 : 0))
        guard !isPlain else { return writer.bytes }
        writer.optional(softQuotaKeys)
        writer.optional(softQuotaBytes)
        writer.optional(requestsPerSecondMax)
        return writer.bytes
    }

    init?(id: [UInt8], decoding bytes: [UInt8]) {
        var idReader = ByteReader(id)
        var reader = ByteReader(bytes)
        guard let number: UInt32 = idReader.big(), idReader.isAtEnd,
            let format: UInt8 = reader.little(),
            [NamespaceRecord.plainFormat, NamespaceRecord.fullFormat].contains(format),
            let name = reader.countedText().flatMap(NamespaceName.init(rawValue:)),
            let epoch: UInt32 = reader.little(), let createdAt: UInt64 = reader.little(),
            let quotaKeys = reader.optional(), let quotaBytes = reader.optional(),
            let readOnly: UInt8 = reader.little()
        else { return nil }
        let isPlain = format == NamespaceRecord.plainFormat
        guard let softQuotaKeys = isPlain ? .some(nil) : reader.optional(),
            let softQuotaBytes = isPlain ? .some(nil) : reader.optional(),
            let requestsPerSecondMax = isPlain ? .some(nil) : reader.optional(), reader.isAtEnd
        else { return nil }
        self.init(
            id: NamespaceID(rawValue: number), name: name, epoch: epoch,
            createdAt: UnixMilliseconds(rawValue: createdAt), quotaKeys: quotaKeys,
            quotaBytes: quotaBytes, isReadOnly: readOnly == 1, softQuotaKeys: softQuotaKeys,
            softQuotaBytes: softQuotaBytes, requestsPerSecondMax: requestsPerSecondMax)
    }
}

extension ByteWriter {
    mutating func optional(_ word: UInt64?) {
        little(UInt8(word == nil ? 0 : 1))
        if let word { little(word) }
    }

    mutating func optional(_ text: String?) {
        little(UInt8(text == nil ? 0 : 1))
        if let text { appendCounted(text) }
    }
}

extension ByteReader {
    /// Nil when damaged; a nil inside when none was written.
    mutating func optional() -> UInt64?? {
        guard let flag: UInt8 = little() else { return nil }
        if flag == 0 { return .some(nil) }
        guard let word: UInt64 = little() else { return nil }
        return word
    }

    /// Nil when damaged; a nil inside when none was written.
    mutating func optionalText() -> String?? {
        guard let flag: UInt8 = little() else { return nil }
        if flag == 0 { return .some(nil) }
        guard let text = countedText() else { return nil }
        return text
    }
}
