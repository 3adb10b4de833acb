import Log
import Platform
import Topology

/// Remembers since when each difference has been there.
final class DriftMemory: Sendable {
    private let firstSeen = Monitor<[DriftItem.Identity: UnixMilliseconds]>([:])

    /// The items with the time at which each was first among them; those that are gone are forgotten,
    /// but for nodes of which nothing is said at the moment.
    func dated(
        _ items: [DriftItem], unseen: Set<NodeNumber>
    ) -> [(item: DriftItem, since: UnixMilliseconds)] {
        let now = UnixMilliseconds.now()
        return firstSeen.withLock { firstSeen in
            var kept = firstSeen.filter { unseen.contains($0.key.number) }
            let dated = items.map { item in
                let since = firstSeen[item.identity] ?? now
                kept[item.identity] = since
                return (item: item, since: since)
            }
            firstSeen = kept
            return dated
        }
    }
}
