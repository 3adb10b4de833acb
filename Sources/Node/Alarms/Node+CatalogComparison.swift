import Engine
import HTTPClient
import JSON
import Log
import Platform
import Replication
import Topology

/// Which namespaces differ, when this node's catalog is not its primary's: it asks the primary, on a thread of
/// its own, again and again while the alarm lasts.
extension Node {
    /// What the last comparison has come to.
    struct CatalogComparison: Sendable {
        var isRunning = false
        /// When it last began.
        var begunAt: MonotonicTime?
        /// Nil while none has come to an end.
        var found: NodeReport.CatalogDifferences?
    }

    private static let comparisonBeat: Duration = .seconds(10)
    private static let comparisonMax: Duration = .seconds(5)
    private static let comparisonPause: Duration = .milliseconds(200)
    /// Parts that are asked for: what differs in more of them is counted less exactly.
    private static let partsMax = 16

    /// Begins a comparison, when one is due. Never waits.
    func compareCatalog(_ document: TopologyDocument) {
        let isAlarm =
            state.facts.number.map { own in
                ownAlarms(of: own).contains { $0.code == AlarmCode.catalogDiffers.rawValue }
            } ?? false
        let isDue = comparison.withLock { comparison in
            guard isAlarm else {
                comparison = CatalogComparison(isRunning: comparison.isRunning)
                return false
            }
            guard !comparison.isRunning,
                comparison.begunAt.map({ .now() - $0 >= Node.comparisonBeat }) ?? true
            else { return false }
            comparison.isRunning = true
            comparison.begunAt = .now()
            return true
        }
        guard isDue, let primary = document.node(numbered: document.primary) else { return }
        let client = makeClient(of: primary)
        _ = WorkerThread(name: "compare", stackBytes: 512 << 10) { [self] in
            let found = catalogDifferences(client)
            comparison.withLock { comparison in
                comparison.isRunning = false
                comparison.found = found ?? comparison.found
            }
            waits.poke()
        }
    }

    /// Blocks, for ``comparisonMax`` at most. Nil: the two catalogs were not met at the
    /// same entry, or the primary did not answer.
    private func catalogDifferences(_ client: PeerClient) -> NodeReport.CatalogDifferences? {
        let deadline = MonotonicTime.now() + Node.comparisonMax
        while MonotonicTime.now() < deadline {
            if let found = compareOnce(client, until: deadline) { return found }
            _ = Monitor(()).wait(until: .now() + Node.comparisonPause) { _ -> Void? in nil }
        }
        return nil
    }

    private func compareOnce(
        _ client: PeerClient, until deadline: MonotonicTime
    ) -> NodeReport.CatalogDifferences? {
        func ask(_ path: String) -> JSONValue? {
            let left = deadline - .now()
            guard left > .zero else { return nil }
            return try? client.call("GET", path, deadlines: FetchDeadlines(total: left))
        }
        guard let theirs = ask("/replication/catalog").flatMap(CatalogSums.init(json:)),
            let own = engine?.state,
            own.header.catalogIndex == theirs.index
        else { return nil }
        let sums = own.catalog.namespaceSums()
        var found = NodeReport.CatalogDifferences()
        let differing = sums.indices.filter { sums[$0] != theirs.sums[$0] }
        for part in differing.prefix(Node.partsMax) {
            guard
                let told = ask("/replication/catalog/\(part)").flatMap(CatalogPart.init(json:)),
                told.index == theirs.index
            else { return nil }
            let differences = NamespaceDifference.between(
                own.catalog.namespaceDigests(of: part), told.namespaces)
            found.count += differences.count
            found.items += differences
        }
        found.isAtLeast = differing.count > Node.partsMax
        found.items = Array(found.items.prefix(NodeReport.CatalogDifferences.itemsMax))
        return found
    }
}
