public import Platform
import Synchronization

/// A namespace and what it holds.
public final class Namespace: Sendable {
    public let record: NamespaceRecord
    let usageCell: NamespaceUsage

    init(record: NamespaceRecord, usage: NamespaceUsage) {
        self.record = record
        usageCell = usage
    }

    var usage: NamespaceUsage { usageCell }

    /// Exact as of the last entry applied.
    public var currentUsage: Usage { usageCell.value.usage }

    /// The time of the last entry in which somebody wrote to it, or flushed it; nil: none did. What
    /// expires is not written.
    public var lastWriteAt: UnixMilliseconds? { usageCell.value.lastWriteAt }

    /// Which soft quotas it uses more of than they allow, as this node has seen it.
    public var exceededSoftQuotas: SoftQuotas { usageCell.exceeded }

    /// What requests it gets at this node.
    public var traffic: NamespaceTraffic { usageCell.traffic }
}

/// The counters of one namespace, outside the catalog's value: they move with every write. One thread
/// at a time sets them, the one that applies entries; any may read.
///
/// A hundred thousand of them are kept, so there is no lock in each: whoever reads while they are set
/// looks again.
final class NamespaceUsage: Sendable {
    /// Odd while the others are being set.
    private let version = Atomic<UInt64>(0)
    private let keys = Atomic<UInt64>(0)
    private let bytes = Atomic<UInt64>(0)
    /// 0: never.
    private let lastWrite = Atomic<UInt64>(0)
    private let softQuotas = Atomic<UInt8>(0)
    let traffic = NamespaceTraffic()

    init() {}

    var value: (usage: Usage, lastWriteAt: UnixMilliseconds?) {
        while true {
            let before = version.load(ordering: .sequentiallyConsistent)
            let usage = Usage(
                keys: keys.load(ordering: .sequentiallyConsistent),
                bytes: bytes.load(ordering: .sequentiallyConsistent))
            let time = lastWrite.load(ordering: .sequentiallyConsistent)
            let after = version.load(ordering: .sequentiallyConsistent)
            guard before == after, before.isMultiple(of: 2) else { continue }
            return (usage, time == 0 ? nil : UnixMilliseconds(rawValue: time))
        }
    }

    /// Nil leaves the last write as it is.
    func set(_ usage: Usage, lastWriteAt: UnixMilliseconds?) {
        version.add(1, ordering: .sequentiallyConsistent)
        keys.store(usage.keys, ordering: .sequentiallyConsistent)
        bytes.store(usage.bytes, ordering: .sequentiallyConsistent)
        if let lastWriteAt {
            lastWrite.store(lastWriteAt.rawValue, ordering: .sequentiallyConsistent)
        }
        version.add(1, ordering: .sequentiallyConsistent)
    }

    var exceeded: SoftQuotas {
        get { SoftQuotas(rawValue: softQuotas.load(ordering: .relaxed)) }
        set { softQuotas.store(newValue.rawValue, ordering: .relaxed) }
    }
}
