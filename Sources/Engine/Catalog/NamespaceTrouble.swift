/// What keeps a namespace from taking all that is written to it, or soon will. Worked out where its counters
/// or its record change, on every node alike.
public struct NamespaceTrouble: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    // As in `SoftQuotas`.
    public static let softQuotaKeys = NamespaceTrouble(rawValue: 1)
    public static let softQuotaBytes = NamespaceTrouble(rawValue: 2)
    /// The next new key is refused.
    public static let quotaKeysUsedUp = NamespaceTrouble(rawValue: 4)
    public static let quotaBytesUsedUp = NamespaceTrouble(rawValue: 8)
    public static let quotaKeysNearlyUsedUp = NamespaceTrouble(rawValue: 16)
    public static let quotaBytesNearlyUsedUp = NamespaceTrouble(rawValue: 32)
    public static let readOnly = NamespaceTrouble(rawValue: 64)

    public static let usedUp: NamespaceTrouble = [.quotaKeysUsedUp, .quotaBytesUsedUp]
    public static let overSoftQuota: NamespaceTrouble = [.softQuotaKeys, .softQuotaBytes]
    public static let nearlyUsedUp: NamespaceTrouble = [
        .quotaKeysNearlyUsedUp, .quotaBytesNearlyUsedUp,
    ]

    public static let worstFirst = [usedUp, overSoftQuota, nearlyUsedUp, readOnly]

    /// The one of ``worstFirst`` that it is; empty without any.
    public var worst: NamespaceTrouble {
        NamespaceTrouble.worstFirst.first { !isDisjoint(with: $0) } ?? []
    }

    private static let named: [(trouble: NamespaceTrouble, word: String)] = [
        (.readOnly, "read-only"), (.quotaKeysUsedUp, "quota-keys-used-up"),
        (.quotaBytesUsedUp, "quota-bytes-used-up"),
        (.quotaKeysNearlyUsedUp, "quota-keys-nearly-used-up"),
        (.quotaBytesNearlyUsedUp, "quota-bytes-nearly-used-up"),
        (.softQuotaKeys, "soft-quota-keys-exceeded"),
        (.softQuotaBytes, "soft-quota-bytes-exceeded"),
    ]

    public static let all = named.map(\.trouble)

    /// As the API names them.
    public var words: [String] {
        NamespaceTrouble.named.filter { contains($0.trouble) }.map(\.word)
    }

    /// Reads what ``words`` wrote; words of a later version are left out.
    public init(words: [String]) {
        self = NamespaceTrouble(
            NamespaceTrouble.named.filter { words.contains($0.word) }.map(\.trouble))
    }

    public var softQuotas: SoftQuotas {
        SoftQuotas(rawValue: intersection(.overSoftQuota).rawValue)
    }

    /// The last fifth of a quota.
    private static let nearlyPart: UInt64 = 5
    /// A quota of bytes is hardly ever met exactly: with less than this part of it left, most writes are
    /// refused.
    private static let fullBytesPart: UInt64 = 200

    /// Of a namespace with this record that holds this: nothing else, so that it is the same on every node.
    /// Pure.
    static func of(_ record: NamespaceRecord, _ usage: Usage) -> NamespaceTrouble {
        let soft = SoftQuotas.exceeded(by: usage, of: record, before: [])
        var found = NamespaceTrouble(rawValue: soft.rawValue)
        if record.isReadOnly { found.insert(.readOnly) }
        if let quota = record.quotaKeys {
            if usage.keys >= quota {
                found.insert(.quotaKeysUsedUp)
            } else if usage.keys >= quota - quota / nearlyPart {
                found.insert(.quotaKeysNearlyUsedUp)
            }
        }
        if let quota = record.quotaBytes {
            if usage.bytes >= quota - quota / fullBytesPart {
                found.insert(.quotaBytesUsedUp)
            } else if usage.bytes >= quota - quota / nearlyPart {
                found.insert(.quotaBytesNearlyUsedUp)
            }
        }
        return found
    }
}
