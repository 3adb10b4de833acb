public import Log
import Platform

/// Removes values whose time has come, as far as they are still the ones that the index named.
///
/// Only the primary does it, in entries like any other, so every node removes the same values at the
/// same place. Until then readers do not see them any more.
public struct ExpireKeys: Change {
    /// Lines of the index, read beforehand; each is looked at again.
    public var lines: [ExpiryKey]

    /// So many are decided within a few milliseconds, which other writers wait.
    public static let countMax = 256
    /// Of keys; one line may be more.
    public static let bytesMax = 128 << 10

    public init(_ lines: [ExpiryKey]) { self.lines = lines }

    public var kind: EntryKind { .data }
    public var bytes: Int { lines.reduce(64) { $0 + 2 * $1.key.count + 48 } }
    public var waitsForReplicas: Bool { false }

    /// - Returns: How many values went.
    public func decide(_ section: inout DecidingSection) throws(Refusal) -> Int {
        var usages: [NamespaceID: Usage] = [:]
        var removed = 0
        for line in lines {
            let record = section.catalog.namespaces[line.namespace]?.record
            guard let record, record.epoch == line.epoch else {
                // The namespace was flushed or removed, and its values with it.
                section.deleteExpiryLine(line)
                continue
            }
            let key = line.dataKey
            guard line.expiry <= section.time else { continue }
            guard let head = try section.head(key), head.expiry == line.expiry else {
                section.deleteExpiryLine(line)
                continue
            }
            var usage = usages[record.id] ?? section.usage(record.id)
            usage.subtract(line.key.count + head.bytes)
            usages[record.id] = usage
            section.delete(key, replacing: head)
            removed += 1
        }
        for (namespace, usage) in usages { section.setUsage(namespace, usage, isWrite: false) }
        return removed
    }
}
