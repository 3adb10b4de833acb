public import Platform

/// A namespace and what it holds.
public final class Namespace: Sendable {
    public let record: NamespaceRecord
    let usage: NamespaceUsage

    init(record: NamespaceRecord, usage: NamespaceUsage) {
        self.record = record
        self.usage = usage
    }

    /// Exact as of the last entry applied.
    public var currentUsage: Usage { usage.value.usage }

    /// The time of the last entry in which somebody wrote to it, or flushed it; nil: none did. What
    /// expires is not written.
    public var lastWriteAt: UnixMilliseconds? { usage.value.lastWriteAt }

    /// Which soft quotas it uses more of than they allow, as this node has seen it.
    public var exceededSoftQuotas: SoftQuotas { trouble.softQuotas }

    public var trouble: NamespaceTrouble { usage.trouble }

    /// When the worst of its trouble came to be: the time of an entry; nil: not known, since that was before
    /// this node had its state, or something worse hid it.
    public var troubleSince: UnixMilliseconds? { usage.troubleSince.since }

    /// What requests it gets at this node.
    public var traffic: NamespaceTraffic { usage.traffic }
}
