import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The rules of `Node+Failover` and `Node+Fork`.
extension SimNode {
    /// A failover under way.
    final class Failover {
        let document: TopologyDocument
        let number: NodeNumber
        let acceptsDataLoss: Bool

        init(_ document: TopologyDocument, _ number: NodeNumber, _ acceptsDataLoss: Bool) {
            self.document = document
            self.number = number
            self.acceptsDataLoss = acceptsDataLoss
        }

        func risk(_ promises: Int) -> String? {
            acceptsDataLoss ? nil : decision(promises).risk
        }

        func decision(_ promises: Int) -> FailoverDecision {
            FailoverDecision(document, promises: promises)
        }
    }

    /// Begins a failover to this node, or a fork when it is detached.
    func failOver(acceptsDataLoss: Bool) {
        guard isUp, failover == nil, reign == nil, store != nil, let document,
            let number = facts.number
        else { return }
        if case .fullSync = session?.machine.state { return }
        guard session?.machine.pendingSync == nil else { return }
        if document.role(of: number) == nil { return fork(number, document) }
        log("begins a failover\(acceptsDataLoss ? ", loss accepted" : "")")
        let failover = Failover(document, number, acceptsDataLoss)
        self.failover = failover
        look(failover)
    }

    private func end(_ failover: Failover, _ why: String) {
        guard self.failover === failover else { return }
        self.failover = nil
        log("failover: \(why)")
    }

    private func look(_ failover: Failover) {
        var reachable = 1
        gather(failover.document.peers(of: failover.number)) { record, answered in
            look(at: record, timeout: Node.promiseTimeout) { status in
                if status != nil { reachable += 1 }
                answered()
            }
        } then: { [self] in
            guard self.failover === failover else { return }
            if let risk = failover.risk(reachable) { return end(failover, risk) }
            let bid = makeBid(
                failover.document, failover.number,
                mayMissReigns: !failover.decision(reachable).isExclusive)
            collectPromises(bid) { [self] result in
                guard self.failover === failover else { return }
                switch result {
                case .failure(let failure): end(failover, failure.detail)
                case .success(let promises): go(on: bid, promises, failover)
                }
            }
        }
    }

    private func go(on bid: Bid, _ promises: PromiseTally, _ failover: Failover) {
        if let risk = failover.risk(promises.count) { return end(failover, risk) }
        guard let furthest = promises.furthest else {
            return reignNow(bid, promises, failover, isWhole: true)
        }
        takeTail(from: furthest, for: bid) { [self] isWhole in
            guard self.failover === failover else { return }
            guard isWhole || failover.acceptsDataLoss else {
                return end(failover, "the tail of \(furthest.name) is missing")
            }
            if let document, document.version > bid.document.version {
                return end(failover, "the tail brings a newer topology")
            }
            reignNow(bid, promises, failover, isWhole: isWhole)
        }
    }

    private func reignNow(
        _ bid: Bid, _ promises: PromiseTally, _ failover: Failover, isWhole: Bool
    ) {
        guard stands(bid), let store, bid.reign > store.state.reign else {
            return end(failover, "another node took a higher reign")
        }
        guard failover.acceptsDataLoss || hasApplied(bid.document) else {
            return end(failover, "its log lacks the document")
        }
        if !failover.decision(promises.count).isExclusive || !isWhole || !hasApplied(bid.document) {
            world.watch.excuse("\(name) took reign \(bid.reign) with data loss accepted")
        }
        session?.stop()
        beginSession()
        guard openReign(bid.reign, over: bid.document) else {
            return end(failover, "the entry could not be written")
        }
        end(failover, "done, with \(promises.count) promises")
        for record in document?.nodes ?? [] where record.number != facts.number { look(at: record) }
    }

    private func fork(_ number: NodeNumber, _ document: TopologyDocument) {
        guard let state = store?.state, let known = state.document else { return }
        session?.stop()
        beginSession()
        let lineage = Lineage(
            id: Hash128(high: world.random.next(), low: world.random.next()))
        let term = max(document.reign.term, state.reign.term, facts.promised?.term ?? 0)
        let reign = Reign(term: term + 1, holder: number)
        changeFacts { $0.forking = lineage }
        let founding = TopologyDocument.founding(
            NodeRecord(number: number, name: name, address: address), term: reign.term,
            generation: known.generation.next, note: ChangeNote(at: wallClock, by: "fork"))
        log("forks")
        guard openReign(reign, with: .founding(lineage, founding)), world.passes(.forked, self)
        else { return }
        // Peers may look in between.
        world.after(.milliseconds(5)) { [self, process] in
            guard process == self.process, facts.forking == lineage else { return }
            changeFacts {
                $0.lineage = lineage
                $0.forking = nil
                $0.document = nil
                $0.promised = nil
            }
        }
    }

    /// Makes a cluster of one.
    func found() {
        let number = NodeNumber(rawValue: 1)
        let reign = Reign(term: 1, holder: number)
        let lineage = Lineage(
            id: Hash128(high: world.random.next(), low: world.random.next()))
        store = SimStore()
        let founding = TopologyDocument.founding(
            NodeRecord(number: number, name: name, address: address),
            note: ChangeNote(at: wallClock, by: "birth"))
        changeFacts {
            $0.number = number
            $0.lineage = lineage
        }
        _ = openReign(reign, with: .founding(lineage, founding))
    }
}
