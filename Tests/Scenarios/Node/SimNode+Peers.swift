import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// What a node tells its peers of itself, as in `PeerStatus`.
struct SimStatus {
    var name: NodeName
    var number: NodeNumber?
    var lineage: Lineage?
    var document: TopologyDocument?
    var promised: Reign?
    var extent: HistoryExtent
    var holdsUserData: Bool
}

/// The rules of `PeerWatches` and `Node+Adoption`.
extension SimNode {
    var status: SimStatus {
        let (lineage, document) = membership.both
        return SimStatus(
            name: name, number: facts.number, lineage: lineage, document: document,
            promised: facts.promised, extent: extent, holdsUserData: holdsUserData)
    }

    private var holdsUserData: Bool {
        store?.state.history.contains { $0.kind == .data } ?? false
    }

    /// Looks at every other node, each second.
    func lookAround() {
        let process = self.process
        for record in document?.nodes ?? [] where !watched.contains(record) {
            watched.removeAll { $0.number == record.number }
            watched.append(record)
        }
        for record in watched where record.number != facts.number { look(at: record) }
        world.after(.milliseconds(Int64.random(in: 900...1_100, using: &world.random))) { [self] in
            if isUp, self.process == process { lookAround() }
        }
    }

    func look(
        at record: NodeRecord, timeout: Duration = .seconds(3),
        done: @escaping (SimStatus?) -> Void = { _ in }
    ) {
        guard let peer = world.node(at: record.address) else { return done(nil) }
        world.call(self, peer, timeout: timeout, handle: { peer.status }) { [self] result in
            guard isUp else { return }
            switch result {
            case .success(let status):
                observations[record.number] = Observation(status: status, isReachable: true)
                act(on: status, of: record, peer)
                done(status)
            case .failure:
                observations[record.number]?.isReachable = false
                done(nil)
            }
        }
    }

    private func act(on status: SimStatus, of record: NodeRecord, _ peer: SimNode) {
        guard case (let lineage?, let document?) = membership.both else { return }
        let isSame = status.lineage == lineage
        if isSame, let theirs = status.document, theirs.version > document.version {
            return learn(theirs, of: lineage)
        }
        let isMember = document.node(numbered: record.number) != nil
        if isMember, mayTakeIn(document), !isSame || status.number != record.number {
            takeIn(record, document, lineage, peer)
        } else if isSame, (status.document?.version ?? document.version) < document.version {
            world.send(self, peer) { if peer.isUp { peer.learn(document, of: lineage) } }
        }
    }

    private func mayTakeIn(_ document: TopologyDocument) -> Bool {
        if reign != nil { return true }
        guard case .undecided = role, let number = facts.number else { return false }
        return store != nil && document.role(of: number) == .primary
    }

    private func takeIn(
        _ record: NodeRecord, _ document: TopologyDocument, _ lineage: Lineage, _ peer: SimNode
    ) {
        let request = AdoptionRequest(
            lineage: lineage, number: record.number, name: record.name, document: document,
            discardData: discarding.contains(record.number))
        world.send(self, peer) { if peer.isUp { peer.beAdopted(request) } }
    }

    private func beAdopted(_ request: AdoptionRequest) {
        guard name == request.name else { return }
        if membership.lineage == request.lineage {
            remember(request)
            return reconcile()
        }
        if let document, let number = facts.number, document.role(of: number) != nil,
            document.nodes.count > 1
        {
            return log("is not taken in: it has a cluster of its own")
        }
        if holdsUserData, !request.discardData { return log("is not taken in: it holds data") }
        session?.stop()
        beginSession()
        endFeeds("adopted")
        let keeps = holdsUserData
        remember(request)
        guard world.passes(.adopted, self) else { return }
        foreign = keeps ? store : nil
        store = nil
        setRole(.replica(nil))
        log("is adopted by lineage \(request.lineage.hex.prefix(4)) as node \(request.number)")
        reconcile()
    }

    private func remember(_ request: AdoptionRequest) {
        let isOther = membership.lineage != request.lineage
        changeFacts { facts in
            facts.lineage = request.lineage
            facts.forking = nil
            facts.number = request.number
            facts.claim = nil
            if isOther { facts.promised = nil }
            if isOther || facts.document.map({ $0.version < request.document.version }) ?? true {
                facts.document = request.document
            }
        }
    }

    /// Another lineage is refused, as the gate of `/replication/` does.
    func admits(_ peer: SimNode) -> Bool {
        membership.lineage == nil || membership.lineage == peer.membership.lineage
    }

    // MARK: - Tails

    /// What follows `position` here, for a node that lacks it.
    private func tail(after position: Position) -> [Record]? {
        guard let store else { return [] }
        guard store.log.check(position) == .same else { return nil }
        return Array(
            store.log.records(after: position.index, through: store.state.position.index)
                .prefix(20))
    }

    /// Applies what a promiser has beyond this node, piece by piece.
    ///
    /// `done` is told whether all of it came.
    func takeTail(from record: NodeRecord, for bid: Bid, done: @escaping (Bool) -> Void) {
        guard let peer = world.node(at: record.address), store != nil, stands(bid) else {
            return done(false)
        }
        takeTail(from: peer, beginSession(), done)
    }

    private func takeTail(from peer: SimNode, _ session: Int, _ done: @escaping (Bool) -> Void) {
        let position = self.position
        let ask: () -> [Record]?? = { [self] in
            peer.admits(self) ? .some(peer.tail(after: position)) : nil
        }
        world.call(self, peer, timeout: .seconds(3), handle: ask) { [self] result in
            guard case .success(let answer) = result, sessionNumber == session else {
                return done(false)
            }
            guard let records = answer else {
                log("is not on the history of \(peer.name)")
                return done(false)
            }
            if records.isEmpty { return done(true) }
            log("takes \(records.count) entries from \(peer.name)")
            for record in records {
                guard apply(record) == nil, isUp else { return }
            }
            takeTail(from: peer, session, done)
        }
    }
}
