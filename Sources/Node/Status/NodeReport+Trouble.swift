public import Engine
import JSON
public import Platform

extension NodeReport {
    /// The namespaces that do not take all that is written to them, or soon will not, as this node's own
    /// state has them.
    ///
    /// Each counts once, as the worst that it is in, in this order.
    public struct NamespacesInTrouble: Equatable, Sendable {
        public var usedUp = 0
        public var overSoftQuota = 0
        public var nearlyUsedUp = 0
        public var readOnly = 0
        /// Some of them, the worst first.
        public var items: [TroubledNamespace] = []

        public static let itemsMax = 20
    }

    public struct TroubledNamespace: Equatable, Sendable {
        public var name: String
        public var trouble: NamespaceTrouble
        public var since: UnixMilliseconds?
        public var keys: UInt64
        public var bytes: UInt64
        public var quotaKeys: UInt64?
        public var quotaBytes: UInt64?
    }
}

extension NodeReport.NamespacesInTrouble {
    /// Looks at the counters of all: some tenths of a millisecond, when they are a hundred thousand.
    init(of catalog: Catalog) {
        let (_, counts, first) = catalog.namespaces(
            in: NamespaceTrouble.worstFirst,
            countMax: NodeReport.NamespacesInTrouble.itemsMax)
        (usedUp, overSoftQuota, nearlyUsedUp, readOnly) = (
            counts[0], counts[1], counts[2], counts[3]
        )
        items = first.map { namespace in
            let usage = namespace.currentUsage
            return NodeReport.TroubledNamespace(
                name: namespace.record.name.rawValue, trouble: namespace.trouble,
                since: namespace.troubleSince, keys: usage.keys, bytes: usage.bytes,
                quotaKeys: namespace.record.quotaKeys, quotaBytes: namespace.record.quotaBytes)
        }
    }

    var json: JSONValue {
        [
            "used_up": JSONValue(usedUp), "over_soft_quota": JSONValue(overSoftQuota),
            "nearly_used_up": JSONValue(nearlyUsedUp), "read_only": JSONValue(readOnly),
            "items": .array(items.map(\.json)),
        ]
    }

    init?(json: JSONValue) {
        func count(_ name: String) -> Int? {
            json[name]?.integerValue.flatMap(Int.init(exactly:))
        }
        guard let usedUp = count("used_up"), let overSoftQuota = count("over_soft_quota"),
            let nearlyUsedUp = count("nearly_used_up"), let readOnly = count("read_only")
        else { return nil }
        (self.usedUp, self.overSoftQuota) = (usedUp, overSoftQuota)
        (self.nearlyUsedUp, self.readOnly) = (nearlyUsedUp, readOnly)
        items = (json["items"]?.arrayValue ?? [])
            .prefix(NodeReport.NamespacesInTrouble.itemsMax)
            .compactMap(NodeReport.TroubledNamespace.init(json:))
    }
}

extension NodeReport.TroubledNamespace {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "trouble": .array(trouble.words.map { .string($0) }),
            "since": .orNull(since?.rfc3339), "keys": JSONValue(keys), "bytes": JSONValue(bytes),
            "quota_keys": .orNull(quotaKeys), "quota_bytes": .orNull(quotaBytes),
        ]
    }

    fileprivate init?(json: JSONValue) {
        guard let name = json["name"]?.stringValue, let keys = json["keys"]?.unsigned,
            let bytes = json["bytes"]?.unsigned
        else { return nil }
        self.name = name
        trouble = NamespaceTrouble(
            words: (json["trouble"]?.arrayValue ?? []).compactMap(\.stringValue))
        since = json["since"]?.time
        (self.keys, self.bytes) = (keys, bytes)
        quotaKeys = json["quota_keys"]?.unsigned
        quotaBytes = json["quota_bytes"]?.unsigned
    }
}
