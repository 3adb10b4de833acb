public import Engine
public import Log
public import Platform
import Synchronization
public import Topology

/// The source's end of replication: whom this node feeds, what they have acknowledged, and which
/// snapshots they fetch.
///
/// Everything but ``openSnapshot(_:remoteAddress:)``, ``openFeed(_:)`` and ``tick(at:)``, which may
/// read or remove files, returns at once; anything may be called from any thread. Locks, in order:
/// the table of links, one feed's control.
public final class Source: Sendable {
    package let environment: SourceEnvironment
    public let snapshots: SnapshotStore
    let table = Monitor(LinkTable())
    private let clock = Monitor(LagClock())
    let waiters = Monitor(AckWaiters())
    let unheard = Monitor(TopologyWatch())
    /// Who stands at or below this index gets nothing more from the log: a record behind it is
    /// damaged. A full sync helps, for the state has what the log lacks.
    private let unreadableThrough = Monitor<LogIndex?>(nil)
    /// When a follower last said how far it is, in nanoseconds of the monotonic clock.
    private let reportedAt = Atomic<Int64>(MonotonicTime.now().nanoseconds)
    /// The highest index that somebody waits for; read by every feed.
    let wantedIndex = Atomic<UInt64>(0)

    public init(_ environment: SourceEnvironment) {
        self.environment = environment
        snapshots = SnapshotStore(engine: environment.engine)
    }

    // MARK: - Requests

    /// Begins a feed, or says why not. May read up to 64 KiB of the log, once per segment the whole
    /// segment.
    public func openFeed(_ request: FeedRequest) -> Result<Feed, FeedRefusal> {
        guard let engine = environment.engine(), let facts = facts(engine) else {
            return .failure(Source.notServing)
        }
        var history: HistoryCheck
        var reader: LogReader?
        do throws(LogError) {
            reader = try engine.log.reader(after: request.after)
            history = .same
        } catch {
            switch error {
            case .notRetained: history = .notRetained
            case .hashDiffers(let position): history = .differs(at: position)
            case .ahead: history = .ahead
            case .damaged:
                noteUnreadable(request.after.index, error)
                history = .notRetained
            case .io:
                return .failure(FeedRefusal(503, "log-unreadable", "the log cannot be read"))
            }
        }
        if history == .same, let damaged = unreadableThrough.withLock({ $0 }),
            request.after.index <= damaged
        {
            history = .notRetained
        }
        if let refusal = Handshake.decide(request, facts, history) { return .failure(refusal) }
        guard let reader, let replica = request.peer.number else {
            return .failure(Source.notServing)
        }
        guard let session = request.peer.session else { return .failure(Source.noSession) }
        guard table.withLock({ $0.feeds.count }) < environment.linksMax else {
            return .failure(
                FeedRefusal(503, "busy", "this node feeds \(environment.linksMax) replicas already")
            )
        }
        let now = MonotonicTime.now()
        let feed = Feed(
            request, id: session, engine: engine, reader: reader, now: now,
            origin: environment.origin,
            ackWanted: { [weak self] in
                LogIndex(self?.wantedIndex.load(ordering: .relaxed) ?? 0)
            },
            onUnreadable: { [weak self] in self?.noteUnreadable($0, $1) },
            onClose: { [weak self] in self?.closed($0) })
        let old = table.withLock {
            $0.begin(
                request.peer, replica: replica, session: session, from: request.remoteAddress,
                feed: feed, at: now)
        }
        old?.end(.superseded)
        environment.linksChanged()
        return .success(feed)
    }

    /// Remembers that the log cannot be read on from `index`, and tells the node what is wrong where.
    private func noteUnreadable(_ index: LogIndex, _ error: LogError) {
        guard case .damaged(let damage) = error else { return }
        unreadableThrough.withLock { $0 = max($0 ?? index, index) }
        environment.logDamaged(damage)
    }

    /// Takes a snapshot for the peer, or shares one. Blocks for seconds: call it on a thread of ours.
    public func openSnapshot(
        _ peer: PeerIdentity, remoteAddress: String
    ) -> Result<SnapshotManifest, FeedRefusal> {
        let replica: NodeNumber
        switch admit(peer) {
        case .success(let number): replica = number
        case .failure(let refusal): return .failure(refusal)
        }
        guard let session = peer.session else { return .failure(Source.noSession) }
        let old = table.withLock {
            $0.begin(
                peer, replica: replica, session: session, from: remoteAddress, feed: nil, at: .now()
            )
        }
        old?.end(.superseded)
        environment.linksChanged()
        do throws(SnapshotStore.Failure) {
            return .success(try snapshots.take(for: replica))
        } catch {
            return .failure(FeedRefusal(503, "snapshot-failed", "no snapshot: \(error)"))
        }
    }

    /// Where a snapshot's file lies. Renews the lease.
    public func snapshotFile(
        _ id: String, _ name: String, for peer: PeerIdentity
    ) -> Result<(path: String, size: UInt64), FeedRefusal> {
        switch admit(peer) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let replica):
            guard let file = snapshots.file(id, name, for: replica) else {
                return .failure(
                    FeedRefusal(
                        404, "not-found", "no such file of a snapshot leased to \(peer.name)"))
            }
            return .success(file)
        }
    }

    /// The peer needs the snapshot no more. It need not be a member for that.
    public func releaseSnapshot(_ id: String, for peer: PeerIdentity) {
        if let replica = peer.number { snapshots.release(id, for: replica) }
    }

    /// A replica says how far it is.
    public func acknowledge(
        _ report: AckReport, from peer: PeerIdentity
    ) -> Result<Void, FeedRefusal> {
        switch admit(peer) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let replica):
            guard report.node == replica, report.session == peer.session else {
                return .failure(
                    FeedRefusal(400, "invalid-argument", "the report is of another node or session")
                )
            }
            return note(report, of: replica)
        }
    }

    private func note(_ report: AckReport, of replica: NodeNumber) -> Result<Void, FeedRefusal> {
        let now = MonotonicTime.now()
        reportedAt.store(now.nanoseconds, ordering: .relaxed)
        let isServing = report.state == ReplicaStateWord.streaming.rawValue
        let feed = table.withLock { table -> Feed? in
            table.note(report, at: now) ? table[replica]?.feed : nil
        }
        // Before its first request for a snapshot a session has no link yet.
        guard feed != nil || !isServing else {
            return .failure(
                FeedRefusal(
                    409, "no-such-link", "no link of session \(report.session) is open here"))
        }
        // Who serves has installed its snapshot: the lease runs out, also when nobody says so.
        if !isServing { snapshots.touch(replica, at: now) }
        if let feed {
            let hasChanged = feed.acknowledge(report, at: now)
            let machine = feed.machine
            if machine.acked > .zero {
                let subtree = min(machine.acked, report.subtreeApplied)
                table.withLock { $0.note(replica, acked: machine.acked, subtree: subtree) }
            }
            if hasChanged { environment.linksChanged() }
            answerWaiters(expiring: false, at: now)
        }
        return .success(())
    }

    /// Whether the peer follows this node, and its number.
    func admit(_ peer: PeerIdentity) -> Result<NodeNumber, FeedRefusal> {
        guard let engine = environment.engine(), let facts = facts(engine),
            let number = peer.number
        else { return .failure(Source.notServing) }
        if let refusal = Handshake.refusal(of: peer, facts) { return .failure(refusal) }
        return .success(number)
    }

    private func facts(_ engine: Engine) -> SourceFacts? {
        let state = engine.state
        return SourceFacts(
            identity: environment.identity(), topology: environment.topology(),
            isServing: environment.isServing(), lastReign: state.header.reign,
            first: engine.log.first, last: state.position,
            reigns: ReignTable(state.catalog))
    }

    private static let notServing = FeedRefusal(
        421, "not-serving", "this node feeds nobody at present")
    private static let noSession = FeedRefusal(
        400, "invalid-argument", "the request names no session")

    // MARK: - What happens here

    /// Entries were applied here: feeds go on. Called by the writer of the engine.
    public func enginePublished(_ state: EngineState) {
        noteTopology(of: state)
        if let log = environment.engine()?.log {
            clock.withLock {
                let index = state.position.index
                $0.append(index, addedBytes: log.bytes(after: $0.last), at: .now())
            }
        }
        for feed in table.withLock({ $0.feeds }) { feed.wake() }
    }

    /// The topology has changed: whoever does not follow this node any more gets the entry that says
    /// so, if it is in this log, and loses its link. One that fetches a snapshot loses it at once.
    public func enforce(_ document: TopologyDocument) {
        let own = environment.identity().number
        func isUnwanted(_ link: LinkTable.Link) -> Bool {
            own.map { !document.isFollower(link.peer, of: $0) } ?? true
        }
        let applied = environment.engine()?.state
        let isInLog = applied?.catalog.topology?.version == document.version
        let (unwanted, gone) = table.withLock { table in
            let unwanted = table.links.values.filter(isUnwanted)
            let gone = table.removeAll { isUnwanted($0) && ($0.feed == nil || !isInLog) }
            let linked = Set(table.links.keys)
            table.forget { document.upstream(of: $0) != own && !linked.contains($0) }
            return (unwanted, gone)
        }
        for link in unwanted {
            let reason =
                "\(link.name) is no replica of this node in generation \(document.generation)"
            if isInLog, let applied {
                link.feed?.finish(through: applied.header.catalogIndex, reason: reason)
            } else {
                link.feed?.end(.told(reason))
            }
            snapshots.releaseAll(of: link.replica)
        }
        if !gone.isEmpty { environment.linksChanged() }
        answerWaiters(expiring: false)
    }

    /// Ends every link: this node is detached, fenced, or gets another engine. What replicas have
    /// acknowledged is forgotten, as it was of that history. Removes snapshots.
    public func endAll(reason: String) {
        let gone = table.withLock { table -> [LinkTable.Link] in
            table.forget { _ in true }
            return table.removeAll { _ in true }
        }
        for link in gone { link.feed?.end(.told(reason)) }
        clock.withLock { $0 = LagClock() }
        unreadableThrough.withLock { $0 = nil }
        snapshots.removeAll()
        if !gone.isEmpty { environment.linksChanged() }
    }

    /// Sends heartbeats that are due, ends links and leases whose deadline has passed, and answers
    /// waits that are over. To be called at least twice a second. May remove files.
    public func tick(at now: MonotonicTime) {
        var hasChanged = false
        for feed in table.withLock({ $0.feeds }) {
            if feed.tick(at: now) { hasChanged = true }
        }
        snapshots.expire(at: now)
        let gone = table.withLock {
            $0.removeAll { link in
                link.feed == nil && now - link.reportedAt >= FeedMachine.totalMax
                    && !snapshots.isLeased(to: link.replica)
            }
        }
        if hasChanged || !gone.isEmpty { environment.linksChanged() }
        answerWaiters(expiring: true, at: now)
    }

    private func closed(_ feed: Feed) {
        if table.withLock({ $0.remove(feed) }) { environment.linksChanged() }
    }

    // MARK: - What is known

    /// When a follower last said how far it is; when there was none, since the start.
    public var heardAt: MonotonicTime {
        MonotonicTime(nanoseconds: reportedAt.load(ordering: .relaxed))
    }

    /// How long no follower has said how far it is.
    public var unheardFor: Duration { .now() - heardAt }

    /// Every link that runs here, by replica.
    public func links() -> [LinkStatus] {
        let now = MonotonicTime.now()
        let log = environment.engine()?.log
        let clock = self.clock.withLock { $0 }
        let rate = clock.bytesPerSecond(at: now)
        return table.withLock({ Array($0.links.values) })
            .sorted { $0.replica < $1.replica }
            .map { LinkStatus($0, log, clock, rate, environment.retentionBytesMax, at: now) }
    }

    /// What each configured replica's subtree has acknowledged since this source began; nothing for
    /// replicas that it has not heard of. For the retention of the log.
    public var acknowledgedIndexes: [NodeNumber: LogIndex] { table.withLock { $0.subtreeAcked } }

    /// How fast this node's log has grown in the last ten seconds.
    public var bytesPerSecond: Double { clock.withLock { $0.bytesPerSecond(at: .now()) } }

    /// How far behind somebody is who has applied `index`.
    public func lag(acked index: LogIndex) -> Lag {
        clock.withLock { $0.lag(acked: index, at: .now()) }
    }
}

extension ReignTable {
    /// The reigns that a state knows of.
    public init(_ catalog: Catalog) {
        self.init(catalog.reigns.map { Start(reign: $0.reign, first: $0.firstIndex) })
    }
}
