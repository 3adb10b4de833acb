import Engine
import Log
import Platform
import Replication
import Topology

/// Changes that reach the new primary between a handover's entry and its right to append: a writer
/// that was sent on by the old primary is often faster than the sync of that entry. They wait here, for
/// milliseconds, instead of being told that nobody reigns.
final class TakeoverQueue: Sendable {
    private let parked = Monitor<[Parked]>([])

    private struct Parked {
        /// Tries again; told since when it has waited.
        let change: @Sendable (MonotonicTime) -> Void
        let since: MonotonicTime
    }

    /// As many as may well be under way at a node.
    static let parkedMax = 8_192
    /// Longer than this nobody waits.
    static let patience: Duration = .seconds(1)

    /// - Parameters:
    ///   - since: When the change came.
    ///   - change: Tries again, and may come back with the same `since`.
    /// - Returns: False when there are too many, or it has waited long enough; nothing is kept then.
    func add(
        since: MonotonicTime, _ change: @escaping @Sendable (MonotonicTime) -> Void
    ) -> Bool {
        guard MonotonicTime.now() - since < TakeoverQueue.patience else { return false }
        return parked.withLock { parked in
            guard parked.count < TakeoverQueue.parkedMax else { return false }
            parked.append(Parked(change: change, since: since))
            return true
        }
    }

    /// Those that have waited for so long, in the order in which they came; they wait no more.
    func take(after patience: Duration) -> [@Sendable () -> Void] {
        let now = MonotonicTime.now()
        return parked.withLock { parked in
            let due = parked.filter { now - $0.since >= patience }
            parked.removeAll { now - $0.since >= patience }
            return due.map { waited in { waited.change(waited.since) } }
        }
    }
}

/// Where a change goes that has reached this node.
enum Standing {
    case reigns(Committer)
    /// It will, in milliseconds.
    case takesOver
    case elsewhere(ChangeFailure)
}

extension Node {
    /// What this node can do with a change. Roles and documents change meanwhile, one after the other:
    /// who is to be asked instead is found out first, and when it is this node, its role is looked at
    /// once more, so that no change is told that nobody reigns because it came in between.
    var standing: Standing {
        if let committer = state.committer { return .reigns(committer) }
        let failure = notPrimaryFailure()
        guard case .noPrimary = failure else { return .elsewhere(failure) }
        if isTakingOver { return .takesOver }
        if let committer = state.committer { return .reigns(committer) }
        return .elsewhere(failure)
    }

    /// Whether the newest document that this node knows of hands a reign over to it which it has not
    /// taken yet. Its entry may still be on its way.
    var isTakingOver: Bool {
        guard case .replica = state.role, let number = state.facts.number,
            let header = state.engine?.state.header, let document = state.document
        else { return false }
        // It is noted as promised before it is taken, and that takes a sync of the disk.
        let isNoted = state.facts.promised == document.reign
        return grants(document, to: number, after: header.reign, isNoted: isNoted)
            && !state.isDraining
    }

    /// Whether `document` hands its reign over to `number`, whose history ends in the lower `reign`, and
    /// nothing higher was promised since; with `isNoted` also when just this one was.
    func grants(
        _ document: TopologyDocument, to number: NodeNumber, after reign: Reign,
        isNoted: Bool = false
    ) -> Bool {
        document.reign.holder == number && reign < document.reign
            && (isNoted || state.facts.promised.map { $0 < document.reign } ?? true)
    }

    /// Whether the entry that hands the reign over is still on its way: its document was heard of
    /// before, and for no longer than ``TakeoverQueue/patience``. On the control loop.
    func awaitsHandover(_ document: TopologyDocument, _ session: ReplicaSession?) -> Bool {
        guard isTakingOver, let session, !session.isStopped,
            let applied = state.engine?.state.catalog.topology,
            applied.version < document.version
        else { return false }
        let now = MonotonicTime.now()
        let since = handoverHeardAt.withLock { heard in
            if let heard, heard.version == document.version { return heard.at }
            heard = (document.version, now)
            return now
        }
        return now - since < TakeoverQueue.patience
    }

    /// Hands on what waited for the reign; whoever waits in vain is refused. On the control loop, after
    /// each look at the role.
    func answerParked() {
        let patience = isTakingOver ? TakeoverQueue.patience : .zero
        for change in parked.take(after: patience) { change() }
    }
}
