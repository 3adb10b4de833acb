import Log
import Platform
import Topology

/// Whether a former primary may open a new reign after its restart. Pure.
///
/// It is a failover to itself: nobody may have been promoted meanwhile, and nobody may hold
/// entries of its history that it lacks.
struct BootDecision {
    /// What a peer said, or that it said nothing yet.
    struct Peer {
        var version: TopologyVersion?
        var isSameLineage: Bool
        var position: LogIndex?
    }

    var own: TopologyVersion
    var last: LogIndex
    /// By node; without an answer yet, nil.
    var peers: [NodeNumber: Peer?]
    /// Whether nothing that was ever acknowledged can be missing here: it stopped in order, or the
    /// page cache survived, or every entry was synced.
    var isComplete: Bool
    var waited: Duration
    var recoverTimeout: Duration

    enum Action: Equatable {
        case openReign(unconfirmed: Bool)
        /// A newer document is known to this peer.
        case follow(NodeNumber)
        /// A peer has entries of this history that this node lacks.
        case takeTail(from: NodeNumber)
        case wait
    }

    /// How long peers may take to answer when nothing can be missing.
    static let courtesy: Duration = .milliseconds(1000)

    func action() -> Action {
        let answers = peers.compactMapValues { $0 }.filter(\.value.isSameLineage)
        let newer = answers.filter { ($0.value.version ?? own) > own }
        if let newest = newer.max(by: { ($0.value.version ?? own) < ($1.value.version ?? own) }) {
            return .follow(newest.key)
        }
        let ahead = answers.filter { ($0.value.position ?? .zero) > last }
        if let furthest = ahead.max(by: {
            ($0.value.position ?? last) < ($1.value.position ?? last)
        }) {
            return .takeTail(from: furthest.key)
        }
        let everybodyAnswered = peers.values.allSatisfy { $0 != nil }
        if everybodyAnswered { return .openReign(unconfirmed: false) }
        let patience = isComplete ? BootDecision.courtesy : recoverTimeout
        return waited >= patience ? .openReign(unconfirmed: !isComplete) : .wait
    }
}
