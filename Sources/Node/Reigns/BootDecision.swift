import Log
import Platform
import Topology

/// Whether a former primary may bid for a new reign after its restart. Pure.
///
/// It is a failover to itself: nobody may have been promoted meanwhile, and nobody may hold entries
/// of its history that it lacks. With `min_in_sync_replicas` k ≥ 1 it needs as many promises as any
/// candidate: whoever hears fewer cannot know that another node did not acknowledge entries, in a
/// reign that this one has not heard of.
struct BootDecision {
    /// What a peer said since this process began, or that it said nothing yet.
    struct Peer {
        var version: TopologyVersion?
        var isSameLineage: Bool
        var extent: HistoryExtent
        /// Whether the last question was answered.
        var isReachable: Bool
    }

    var document: TopologyDocument
    /// By node that has a role; without an answer yet, nil.
    var peers: [NodeNumber: Peer?]
    /// Whether nothing that was ever acknowledged can be missing here: it stopped in order, or the
    /// page cache survived, or every entry was synced.
    var isComplete: Bool
    var waited: Duration
    var recoverTimeout: Duration

    enum Action: Equatable {
        /// Collects promises, takes what a peer has beyond this node, and opens a reign.
        case bid(unconfirmed: Bool)
        /// A newer document is known to this peer.
        case follow(NodeNumber)
        /// For answers, or for the nodes without which no reign may be opened.
        case wait
    }

    /// How long peers may take to answer when nothing can be missing.
    static let courtesy: Duration = .milliseconds(1000)

    /// Who would promise, this node among them.
    var promises: FailoverDecision {
        FailoverDecision(document, promises: 1 + answers.count { $0.value.isReachable })
    }

    private var answers: [NodeNumber: Peer] {
        peers.compactMapValues { $0 }.filter(\.value.isSameLineage)
    }

    func action() -> Action {
        let own = document.version
        let newest = answers.max { a, b in
            (a.value.version ?? own, b.key) < (b.value.version ?? own, a.key)
        }
        if let newest, let version = newest.value.version, version > own {
            return .follow(newest.key)
        }
        let mustBeExclusive = document.minInSyncReplicas > 0
        let patience = isComplete ? BootDecision.courtesy : recoverTimeout
        let everybodyAnswered = peers.values.allSatisfy { $0 != nil }
        guard everybodyAnswered || waited >= patience else { return .wait }
        guard !mustBeExclusive || promises.isExclusive else { return .wait }
        return .bid(unconfirmed: !everybodyAnswered && !isComplete && !mustBeExclusive)
    }
}
