import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The rules of `Node+Bid` and `Node+Boot`: promises, tail, reign.
extension SimNode {
    /// Goes on once, after everybody has answered or the time is over.
    func gather(
        _ records: [NodeRecord], _ ask: (NodeRecord, @escaping () -> Void) -> Void,
        then: @escaping () -> Void
    ) {
        let process = self.process
        var isOver = false
        func go() {
            guard !isOver, isUp, self.process == process else { return }
            isOver = true
            then()
        }
        var open = records.count
        for record in records {
            ask(record) {
                open -= 1
                if open == 0 { go() }
            }
        }
        world.after(records.isEmpty ? .zero : Node.promiseTimeout) { go() }
    }

    func makeBid(
        _ document: TopologyDocument, _ number: NodeNumber, mayMissReigns: Bool = false
    ) -> Bid {
        let step: UInt32 = mayMissReigns ? 1_000 : 1
        return Bid(
            reign: Reign(term: highestTerm(document) + step, holder: number), document: document)
    }

    func hasApplied(_ document: TopologyDocument) -> Bool {
        store?.state.document.map { $0.version >= document.version } ?? false
    }

    func highestTerm(_ document: TopologyDocument) -> UInt32 {
        var term = max(
            document.reign.term, facts.promised?.term ?? 0, store?.state.reign.term ?? 0)
        for record in document.nodes {
            let status = observations[record.number]?.status
            guard status?.lineage == membership.lineage else { continue }
            term = max(term, status?.document?.reign.term ?? 0, status?.promised?.term ?? 0)
        }
        return term
    }

    func stands(_ bid: Bid) -> Bool {
        reign == nil && facts.promised == bid.reign && facts.number == bid.number
    }

    func collectPromises(
        _ bid: Bid, then: @escaping (Result<PromiseTally, Bid.Failure>) -> Void
    ) {
        func fail(_ code: String, _ detail: String) {
            then(.failure(Bid.Failure(code: code, detail: detail)))
        }
        guard let own = promise(bid.reign) else {
            return fail("reign-contested", "this node knows a higher one")
        }
        var heard: [NodeNumber: PromiseTally.Answer] = [:]
        gather(bid.others) { record, answered in
            guard let peer = world.node(at: record.address) else { return }
            world.call(
                self, peer, timeout: Node.promiseTimeout,
                handle: { () -> PromiseGiven?? in
                    guard peer.admits(self) else { return nil }
                    let process = peer.process
                    let answer = peer.promise(bid.reign)
                    // A process that ended in between answers nothing.
                    return peer.process == process ? .some(answer) : nil
                }
            ) { result in
                switch result {
                case .success(let given?):
                    heard[record.number] = .promised(given.extent, given.version)
                case .success(nil): heard[record.number] = .contested(detail: "no")
                case .failure: break
                }
                answered()
            }
        } then: { [self] in
            let tally = PromiseTally(
                own: own.extent, answers: bid.others.map { ($0, heard[$0.number] ?? .silent) })
            if tally.objection != nil {
                return fail("reign-contested", "reign \(bid.reign) is contested")
            }
            if let record = tally.newer(than: bid.document.version) {
                return fail("topology-changed", "\(record.name) has a newer topology")
            }
            guard world.passes(.promisesCollected, self) else { return }
            then(.success(tally))
        }
    }

    // MARK: - Boot

    func decideAfterBoot() {
        guard store != nil, let document, let number = facts.number else { return }
        guard document.role(of: number) == .primary else {
            return setRole(.replica(nil), isFenced: true)
        }
        var peers: [NodeNumber: BootDecision.Peer?] = [:]
        for record in document.peers(of: number) {
            peers[record.number] = .some(
                observations[record.number].map { seen in
                    BootDecision.Peer(
                        version: seen.status.document?.version,
                        isSameLineage: seen.status.lineage == membership.lineage,
                        extent: seen.status.extent, isReachable: seen.isReachable)
                })
        }
        let decision = BootDecision(
            document: document, peers: peers, isComplete: completeness,
            waited: world.now - since, recoverTimeout: .seconds(10))
        switch decision.action() {
        case .wait: return
        case .follow: setRole(.replica(nil), isFenced: true)
        case .bid(let unconfirmed):
            guard !isBidding else { return }
            isBidding = true
            bidAfterBoot(makeBid(document, number), unconfirmed: unconfirmed)
        }
    }

    private func bidAfterBoot(_ bid: Bid, unconfirmed: Bool) {
        func fail(_ why: String) {
            log("opens no reign yet: \(why)")
            world.after(.seconds(1)) { [self, process] in
                if process == self.process { isBidding = false }
            }
        }
        collectPromises(bid) { [self] result in
            guard case .success(let promises) = result else { return fail("no promises") }
            let isExclusive = bid.decision(promises: promises.count).isExclusive
            guard bid.document.minInSyncReplicas == 0 || isExclusive else {
                return fail("\(promises.count) promises are not enough")
            }
            func open() {
                if let ahead = ahead(of: bid, promises) { return fail("\(ahead) is ahead") }
                guard hasApplied(bid.document) else { return fail("its log lacks the document") }
                guard case .undecided = role, stands(bid) else { return fail("not undecided") }
                if !isExclusive { world.watch.excuse("\(name) opened a reign, heard by few") }
                log("opens \(bid.reign) after its boot\(unconfirmed ? ", unconfirmed" : "")")
                isBidding = false
                _ = openReign(bid.reign)
            }
            guard let furthest = promises.furthest else { return open() }
            takeTail(from: furthest, for: bid) { [self] isWhole in
                guard isWhole, document.map({ $0.version <= bid.document.version }) ?? false
                else {
                    lacksTailOf = furthest.name
                    return fail("the tail of \(furthest.name) is missing")
                }
                open()
            }
        }
    }

    private func ahead(of bid: Bid, _ promises: PromiseTally) -> NodeName? {
        bid.others.first { record in
            guard !promises.hasPromised(record.number),
                let status = observations[record.number]?.status
            else { return false }
            return status.lineage == membership.lineage && status.extent > extent
        }?.name
    }
}
