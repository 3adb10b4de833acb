import Log
import Platform
import RocksDB

/// Where a walk through the index of expiries is.
public struct ExpiryCursor: Sendable {
    /// Everything below was removed; what is removed is slow to pass again.
    fileprivate var from: [UInt8] = [KeyPrefix.expiry]
    /// How far the search for lines of flushed namespaces has come; nil: it begins anew.
    fileprivate var stale: [UInt8]?
    /// The last entry of the catalog as of which it began, and as of which it came to the end.
    fileprivate var staleBegan = LogIndex.zero
    fileprivate var staleEnded = LogIndex.zero

    public init() {}

    /// `lines` are removed.
    public mutating func pass(_ lines: [ExpiryKey]) { from = lines.last?.encoded ?? from }
}

extension Engine {
    /// The next lines of the index that are due, in order of their time; at most `countMax`, and once there
    /// is one no more than fit into `bytesMax`, by their keys.
    ///
    /// Each value lives for some time, so no line comes below what was due before. Blocks on the disk.
    public func dueLines(
        _ cursor: ExpiryCursor, countMax: Int, bytesMax: Int = .max
    ) throws(EngineError) -> [ExpiryKey] {
        let end = ExpiryKey.end(of: time)
        return try engine {
            let iterator = DatabaseIterator(database, from: cursor.from, to: end)
            var lines: [ExpiryKey] = []
            var bytes = 0
            while iterator.isValid && lines.count < countMax {
                if let line = ExpiryKey(encoded: iterator.key) {
                    bytes += line.key.count
                    if bytes > bytesMax, !lines.isEmpty { break }
                    lines.append(line)
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return lines
        }
    }

    /// Lines whose namespace was flushed or removed, out of the next `countMax` that are not due yet;
    /// none, without a look, while the catalog has not changed since all were seen. Blocks on the disk.
    public func staleLines(
        _ cursor: inout ExpiryCursor, countMax: Int
    ) throws(EngineError) -> [ExpiryKey] {
        let state = self.state
        let catalog = state.catalog
        if cursor.stale == nil {
            guard state.header.catalogIndex > cursor.staleEnded else { return [] }
            cursor.staleBegan = state.header.catalogIndex
        }
        var next = cursor.stale ?? ExpiryKey.end(of: time)
        let (lines, isAtEnd) = try engine { () -> ([ExpiryKey], Bool) in
            let iterator = DatabaseIterator(
                database, from: next, to: Key.end(ofPrefix: [KeyPrefix.expiry]))
            var lines: [ExpiryKey] = []
            var seen = 0
            while iterator.isValid && seen < countMax {
                seen += 1
                next = iterator.key + [0]
                if let line = ExpiryKey(encoded: iterator.key),
                    catalog.namespaces[line.namespace]?.record.epoch != line.epoch
                {
                    lines.append(line)
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return (lines, !iterator.isValid)
        }
        cursor.stale = isAtEnd ? nil : next
        if isAtEnd { cursor.staleEnded = cursor.staleBegan }
        return lines
    }
}
