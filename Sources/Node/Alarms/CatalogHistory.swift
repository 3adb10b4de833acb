import Log
import Platform

/// The digest that this node's catalog had as of each of the last entries that changed it.
///
/// Pure. Two nodes are hardly ever asked at the very same entry; with a memory at either end their
/// digests can be compared nevertheless.
///
/// Invariant: indexes ascend.
struct CatalogHistory: Sendable {
    private var entries: [Entry] = []

    static let entriesMax = 64

    private struct Entry {
        var index: LogIndex
        var digest: Hash128
    }

    /// Takes note of the catalog as it is now. An index that goes back is of another state: what was
    /// known of the old one is forgotten.
    mutating func note(_ index: LogIndex, _ digest: Hash128) {
        if let last = entries.last {
            if last.index == index, last.digest == digest { return }
            if last.index >= index { entries = [] }
        }
        entries.append(Entry(index: index, digest: digest))
        if entries.count > CatalogHistory.entriesMax { entries.removeFirst() }
    }

    /// Whether another node's digest as of an entry is this one's. Nil: not known of that entry.
    func agrees(_ index: LogIndex, _ digest: Hash128) -> Bool? {
        entries.last { $0.index == index }.map { $0.digest == digest }
    }
}
