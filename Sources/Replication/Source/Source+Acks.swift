public import Log
public import Platform
import Synchronization
import Topology

/// Waiting for acknowledgements, without a thread for each who waits.
extension Source {
    /// How many configured replicas have acknowledged `index`.
    public func acked(atLeast index: LogIndex, durable: Bool) -> Int {
        configuredIndexes(at: .now()).count { (durable ? $0.durable : $0.applied) >= index }
    }

    /// Calls `completion` once `count` configured replicas have acknowledged `index`, or `deadline`
    /// has passed: at once on this thread if they have, else on the one that brings the news.
    ///
    /// With `heedsTopology` also until the changes of the topology before `index` are known as widely
    /// as ``UnheardChanges`` asks.
    ///
    /// - Returns: False, and calls nothing, when too many wait already.
    public func whenAcked(
        _ index: LogIndex, count: Int, durable: Bool, heedsTopology: Bool = false,
        deadline: MonotonicTime, completion: @escaping @Sendable (AckOutcome) -> Void
    ) -> Bool {
        func outcome() -> AckOutcome {
            AckOutcome(
                index: index, wanted: count, reached: acked(atLeast: index, durable: durable),
                isHeldBack: heedsTopology && isHeldBack(index))
        }
        let before = outcome()
        if before.isMet {
            completion(before)
            return true
        }
        let waiter = AckWaiters.Waiter(index: index, deadline: deadline, completion: completion)
        let kind = AckWaiters.Kind(
            count: count, isDurable: durable, heedsTopology: heedsTopology)
        guard waiters.withLock({ $0.add(waiter, kind) }) else { return false }
        wantedIndex.max(index.rawValue, ordering: .relaxed)
        // What came between the look and the entry in the list called nobody.
        if outcome().isMet { answerWaiters(expiring: false) }
        for feed in table.withLock({ $0.feeds }) { feed.wake() }
        return true
    }

    /// What one replica, direct or through others, has applied; nil when nobody hears of it.
    public func applied(by replica: NodeNumber) -> LogIndex? {
        table.withLock { $0.acknowledged(at: .now()) }[replica]?.applied
    }

    /// Two reports have not come: who says nothing for longer is not counted on.
    public static let unlinkedAfter: Duration = .milliseconds(2_500)

    /// Who would acknowledge a write now, directly or through others.
    public func linkedReplicas(at now: MonotonicTime = .now()) -> Set<NodeNumber> {
        table.withLock { $0.linked(at: now, silenceMax: Source.unlinkedAfter) }
    }

    /// Has every replica asked to report as soon as it has `index`.
    public func askForReports(of index: LogIndex) {
        wantedIndex.max(index.rawValue, ordering: .relaxed)
        for feed in table.withLock({ $0.feeds }) { feed.wake() }
    }

    /// Answers everybody who waits with what is known now: this node stops.
    public func endWaits() { answerWaiters(expiring: true, at: .distantFuture) }

    /// Calls back everybody whose wait is met or, with `expiring`, over.
    func answerWaiters(expiring: Bool, at now: MonotonicTime = .now()) {
        settleChanges(at: now)
        guard waiters.withLock({ $0.count }) > 0 else { return }
        let indexes = configuredIndexes(at: now)
        let firstHeldBack = unheard.withLock { $0.changes.firstHeldBack }
        let done = waiters.withLock {
            $0.take(indexes, firstHeldBack: firstHeldBack, expiredAt: expiring ? now : nil)
        }
        for (completion, outcome) in done { completion(outcome) }
    }

    /// What each configured replica has acknowledged, zero for those that nobody hears.
    private func configuredIndexes(
        at now: MonotonicTime
    ) -> [(applied: LogIndex, durable: LogIndex)] {
        let known = table.withLock { $0.acknowledged(at: now) }
        return environment.topology()?.replicas.map { known[$0.node] ?? (.zero, .zero) } ?? []
    }

    /// What the nodes that follow this one, directly or through others, have applied and synced: for
    /// the reports to its own upstream.
    public func followers() -> [AckReport.Follower] {
        let linked = linkedReplicas()
        return table.withLock { $0.acknowledged(at: .now()) }.filter { linked.contains($0.key) }
            .map {
                AckReport.Follower(
                    node: $0.key, applied: $0.value.applied, durable: $0.value.durable)
            }.sorted { $0.node < $1.node }
    }
}
