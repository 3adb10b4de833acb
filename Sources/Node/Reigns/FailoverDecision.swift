import Log
import Platform
import Topology

/// Whether a candidate may open its reign, by who has promised to follow none below it. Pure.
///
/// With `n` replicas and answers that wait for `k` of them, an acknowledged entry is on `k + 1` of
/// `n + 1` nodes. Whoever holds more than `n − k` promises has heard of one of those nodes, so it
/// misses nothing that was acknowledged, and nobody else can acknowledge any more: it is *exclusive*.
struct FailoverDecision: Equatable, Sendable {
    var replicas: Int
    var minInSyncReplicas: Int
    /// Nodes that have promised, the candidate among them.
    var promises: Int

    /// `promises` are of nodes that have a role in `document`.
    init(_ document: TopologyDocument, promises: Int) {
        replicas = document.replicas.count
        minInSyncReplicas = document.minInSyncReplicas
        self.promises = promises
    }

    var promisesNeeded: Int { replicas - minInSyncReplicas + 1 }

    var isExclusive: Bool { promises >= promisesNeeded }

    /// What may be lost, in words; nil when nothing that was acknowledged can be.
    var risk: String? {
        guard !isExclusive else { return nil }
        return
            "\(promises) of \(replicas + 1) nodes answer, and \(promisesNeeded) are needed to know that nothing acknowledged is missing: what only the silent nodes have is lost"
    }
}
