import Platform
import Topology

/// Remembers since when each difference has been there.
final class DriftMemory: Sendable {
    private let firstSeen = Monitor<[DriftItem.Identity: UnixMilliseconds]>([:])

    /// The items with the time at which each was first among them; those that are gone are forgotten.
    func dated(_ items: [DriftItem]) -> [(item: DriftItem, since: UnixMilliseconds)] {
        let now = UnixMilliseconds.now()
        return firstSeen.withLock { firstSeen in
            var kept: [DriftItem.Identity: UnixMilliseconds] = [:]
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
