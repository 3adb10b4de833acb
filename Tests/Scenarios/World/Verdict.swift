import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// What must hold when all faults are over and time has passed.
extension Cluster {
    func judge() throws {
        let watch = world.watch
        try #require(watch.violations.isEmpty, "\(watch.violations)\n\(world.tail())")
        compareHistories()
        let primary = try #require(self.primary)
        let state = try #require(primary.store?.state)
        for entry in watch.acked
        where entry.lineage == state.lineage && !Watch.has(state, entry.position) {
            judge(entry)
        }
        try #require(watch.violations.isEmpty, "\(watch.violations)\n\(summary)\n\(world.tail())")
    }

    /// Equal positions, equal histories: entry by entry.
    private func compareHistories() {
        for node in nodes {
            for other in nodes where other.position == node.position {
                guard node.store?.state.history != other.store?.state.history else { continue }
                world.watch.violate("1: \(node.name) and \(other.name) differ at \(node.position)")
            }
        }
    }

    /// An acknowledged entry that the primary has not: it must be kept somewhere, and that must have
    /// been allowed.
    private func judge(_ entry: Watch.Acked) {
        let watch = world.watch
        let isKept = nodes.contains { node in
            node.diverged.contains { $0.position == entry.position }
                || [node.store, node.foreign].contains { store in
                    store.map { Watch.has($0.state, entry.position) } ?? false
                }
        }
        if !isKept, !watch.lostToPower.contains(entry.position.hash),
            !watch.lostToRetention.contains(entry.position.hash)
        {
            watch.violate("6: the acknowledged entry \(entry.position) is nowhere")
        }
        if entry.replicas > 0, watch.excuses.isEmpty,
            !watch.lostToPower.contains(entry.position.hash)
        {
            watch.violate(
                "the entry \(entry.position), acknowledged by \(entry.replicas) replicas, is lost "
                    + "though every failover was exclusive")
        }
    }
}
