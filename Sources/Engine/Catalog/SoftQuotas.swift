/// The quotas of a namespace that refuse nothing: to use more of them is told.
public struct SoftQuotas: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let keys = SoftQuotas(rawValue: 1)
    public static let bytes = SoftQuotas(rawValue: 2)

    public static let all: [SoftQuotas] = [.keys, .bytes]

    /// The fields of the API, in their order.
    public var words: [String] {
        (contains(.keys) ? ["soft_quota_keys"] : [])
            + (contains(.bytes) ? ["soft_quota_bytes"] : [])
    }

    /// Use has fallen back only when it is this part of the quota below it, and at least one, so that a
    /// namespace at its limit is not told of with each write.
    static let returnPart: UInt64 = 20

    /// What `record` uses more of than it should. What was exceeded `before` still is until use has
    /// fallen back. Pure.
    static func exceeded(
        by usage: Usage, of record: NamespaceRecord, before: SoftQuotas
    ) -> SoftQuotas {
        func isExceeded(_ used: UInt64, _ quota: UInt64?, _ was: Bool) -> Bool {
            guard let quota else { return false }
            return used > (was ? quota - min(quota, max(1, quota / returnPart)) : quota)
        }
        var found: SoftQuotas = []
        if isExceeded(usage.keys, record.softQuotaKeys, before.contains(.keys)) {
            found.insert(.keys)
        }
        if isExceeded(usage.bytes, record.softQuotaBytes, before.contains(.bytes)) {
            found.insert(.bytes)
        }
        return found
    }
}
