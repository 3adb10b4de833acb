import JSON
import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// A snapshot, as its lease names it. What a full sync loads in the end.
struct SimManifest {
    var id: Int
    var state: SimState

    static let parts = 4
}

/// One link at the source: the real ``FeedMachine``, and where its reader stands.
final class SimLink {
    let request: FeedRequest
    let session: String
    private let source: SimNode
    private let replica: SimSession
    private let stream: Int
    private let replicaProcess: Int
    private let sourceProcess: Int
    var machine: FeedMachine
    var cursor: Position
    var report: AckReport?
    var reportedAt: MonotonicTime
    private var lastDelivery: MonotonicTime

    init(
        _ request: FeedRequest, _ session: String, from source: SimNode, to replica: SimSession,
        _ stream: Int, _ process: Int
    ) {
        self.request = request
        self.session = session
        self.source = source
        self.replica = replica
        self.stream = stream
        replicaProcess = process
        sourceProcess = source.process
        let now = source.world.now
        machine = FeedMachine(after: request.after.index, at: now)
        cursor = request.after
        reportedAt = now
        lastDelivery = now
    }

    func send(_ piece: SimSession.Piece) {
        source.world.send(source, replica.node, behind: &lastDelivery) { [self] in
            replica.receive(piece, stream: stream, process: replicaProcess)
        }
    }

    func end(_ reason: FeedMachine.EndReason) {
        if machine.end(reason, at: source.world.now) == .abort { send(.closed) }
    }
}

/// The source's end of replication: the rules of `Source`, `Feed` and `LinkTable`.
extension SimNode {
    private func facts(_ store: SimStore) -> SourceFacts {
        SourceFacts(
            identity: identity, topology: document, isServing: isServing,
            lastReign: store.state.reign, first: store.log.first, last: store.state.position,
            reigns: ReignTable(store.state.reigns))
    }

    private static let notServing = FeedRefusal(421, "not-serving", "feeds nobody at present")

    func openFeed(_ link: SimLink) {
        guard let store else { return link.send(.refused(SimNode.notServing)) }
        let history = store.log.check(link.request.after)
        if let refusal = Handshake.decide(link.request, facts(store), history) {
            return link.send(.refused(refusal))
        }
        for old in links where old.request.peer.number == link.request.peer.number {
            old.end(.superseded)
        }
        links.removeAll { $0.machine.isEnded }
        links.append(link)
        log("feeds \(link.request.peer.name) after \(link.cursor.index)")
        link.send(.head(identity, last: store.state.position.index))
        pump(link)
    }

    private func admit(_ peer: PeerIdentity) -> FeedRefusal? {
        guard let store else { return SimNode.notServing }
        return Handshake.refusal(of: peer, facts(store))
    }

    func openSnapshot(
        _ peer: PeerIdentity, session: String
    ) -> Result<SimManifest, FeedRefusal> {
        if let refusal = admit(peer) { return .failure(refusal) }
        guard let store else { return .failure(SimNode.notServing) }
        for old in links
        where old.request.peer.number == peer.number && old.session != session {
            old.end(.superseded)
        }
        links.removeAll { $0.machine.isEnded }
        let id = world.nextSnapshotID()
        snapshots.insert(id)
        // A checkpoint flushes first.
        self.store?.flush()
        return .success(SimManifest(id: id, state: store.state))
    }

    func snapshotPart(of id: Int, _ peer: PeerIdentity) -> Result<Void, FeedRefusal> {
        if let refusal = admit(peer) { return .failure(refusal) }
        guard snapshots.contains(id) else {
            return .failure(FeedRefusal(404, "not-found", "no such snapshot"))
        }
        return .success(())
    }

    func acknowledge(
        _ report: AckReport, from peer: PeerIdentity
    ) -> Result<Void, FeedRefusal> {
        if let refusal = admit(peer) { return .failure(refusal) }
        let isServing = report.state == ReplicaStateWord.streaming.rawValue
        guard let link = links.first(where: { $0.session == report.session }) else {
            guard isServing else { return .success(()) }
            return .failure(FeedRefusal(409, "no-such-link", "no link of \(report.session)"))
        }
        link.report = report
        link.reportedAt = world.now
        _ = link.machine.acknowledge(
            received: report.received, applied: isServing ? report.applied.index : nil,
            durable: report.durable, at: world.now)
        answerWaiters()
        return .success(())
    }

    // MARK: - Feeding

    func pumpAll() { for link in links { pump(link) } }

    private func pump(_ link: SimLink) {
        guard let store, !link.machine.isEnded else { return }
        link.machine.taken(at: world.now)
        let applied = store.state.position.index
        let sendable = world.settings.policy == .always ? min(applied, store.log.synced) : applied
        guard store.log.check(link.cursor) == .same else {
            return link.end(.told("the log cannot be read on"))
        }
        var rest = store.log.records(
            after: link.cursor.index,
            through: link.machine.sendMax.map { min($0, sendable) } ?? sendable)
        repeat {
            let some = rest.prefix(5)
            rest = rest.dropFirst(5)
            var bytes: [UInt8] = []
            for record in some { bytes += record.encode() }
            if let last = some.last {
                link.cursor = last.position
                link.machine.sent(through: last.position.index, at: world.now)
            }
            if link.machine.takeAckWanted(waiters.map(\.position.index).max() ?? .zero) {
                bytes += WireFrame.ackWanted.encode(after: link.cursor)
            }
            if link.machine.takeHeartbeat(at: world.now), let origin {
                bytes += WireFrame.heartbeat(origin.payload(at: world.now))
                    .encode(after: link.cursor)
            }
            if !bytes.isEmpty { link.send(.bytes(bytes)) }
        } while !rest.isEmpty
    }

    private var origin: OriginHeartbeat? {
        switch role {
        case .undecided: return nil
        case .replica(let session): return session?.origin
        case .primary(let reign):
            guard let state = store?.state, let lineage = state.lineage, let document else {
                return nil
            }
            return OriginHeartbeat(
                lineage: lineage, position: state.position, time: wallClock, reign: reign,
                generation: document.generation, catalogIndex: .zero, catalogDigest: .zero,
                receivedAt: world.now)
        }
    }

    /// The topology has changed: whoever is no follower any more loses its link.
    func enforce(_ document: TopologyDocument) {
        guard let number = facts.number else { return }
        for link in links where !document.isFollower(link.request.peer, of: number) {
            let reason = "no replica in generation \(document.generation)"
            if let state = store?.state, state.document?.version == document.version {
                link.machine.finish(
                    through: state.position.index, reason: reason, at: world.now)
            } else {
                link.end(.told(reason))
            }
        }
        links.removeAll { $0.machine.isEnded }
        answerWaiters()
    }

    func endFeeds(_ reason: String) {
        for link in links { link.end(.told(reason)) }
        links = []
        snapshots = []
    }

    func tickLinks() {
        for link in links {
            if link.machine.tick(at: world.now) == .abort { link.send(.closed) }
            pump(link)
        }
        links.removeAll { $0.machine.isEnded }
        answerWaiters()
    }

    // MARK: - Acknowledgements

    func followers() -> [AckReport.Follower] {
        acknowledged().map {
            AckReport.Follower(node: $0.node, applied: $0.applied, durable: $0.durable)
        }.sorted { $0.node < $1.node }
    }

    func acknowledged() -> [AckReport.Follower] {
        var found: [AckReport.Follower] = []
        for link in links where !link.machine.isEnded {
            guard let number = link.request.peer.number else { continue }
            let acked = link.machine.acked
            found.removeAll { $0.node == number }
            found.append(.init(node: number, applied: acked, durable: link.machine.durable))
            guard world.now - link.reportedAt < FeedMachine.totalMax else { continue }
            for follower in link.report?.followers ?? []
            where !found.contains(where: { $0.node == follower.node }) {
                let applied = min(follower.applied, acked)
                found.append(
                    .init(
                        node: follower.node, applied: applied,
                        durable: min(follower.durable, applied)))
            }
        }
        return found
    }

    /// Acknowledges what enough configured replicas have, and drops what has waited too long.
    func answerWaiters() {
        settleChanges()
        guard !waiters.isEmpty, let document, let lineage = store?.state.lineage else { return }
        let known = acknowledged()
        let indexes = document.replicas.map { spec in
            known.first { $0.node == spec.node }?.applied ?? .zero
        }
        func reached(_ waiter: Waiter) -> Int {
            indexes.count { $0 >= waiter.position.index }
        }
        func isMet(_ waiter: Waiter) -> Bool {
            reached(waiter) >= waiter.count
                && unheard.firstHeldBack.map { waiter.position.index < $0 } ?? true
        }
        for waiter in waiters where isMet(waiter) {
            world.watch.acknowledged(waiter.position, in: lineage, replicas: reached(waiter))
        }
        waiters.removeAll { $0.deadline <= world.now || isMet($0) }
    }

    func settleChanges() {
        guard !unheard.isEmpty, let document else { return }
        let known = acknowledged()
        unheard.settle(in: document) { number in
            known.first { $0.node == number }?.applied ?? .zero
        }
    }
}
