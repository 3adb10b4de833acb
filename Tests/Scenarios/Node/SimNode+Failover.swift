import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The rules of `Node+Failover`: look, promises, tail, reign.
extension SimNode {
    /// A failover under way.
    final class Failover {
        let document: TopologyDocument
        let number: NodeNumber
        let acceptsDataLoss: Bool
        var heard: Set<NodeNumber> = []
        var reachable = 1
        var promises = 1
        var furthest: (record: NodeRecord, extent: Extent)?
        var isContested = false

        init(_ document: TopologyDocument, _ number: NodeNumber, _ acceptsDataLoss: Bool) {
            self.document = document
            self.number = number
            self.acceptsDataLoss = acceptsDataLoss
        }

        var others: [NodeRecord] { document.nodes.filter { $0.number != number } }

        func decision(_ promises: Int) -> FailoverDecision {
            FailoverDecision(
                replicas: document.replicas.count,
                minInSyncReplicas: document.minInSyncReplicas, promises: promises)
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

    /// Goes on once, after everybody has answered or the time is over.
    private func gather(
        _ failover: Failover, _ ask: (NodeRecord, @escaping () -> Void) -> Void,
        then: @escaping () -> Void
    ) {
        let process = self.process
        var isOver = false
        func go() {
            guard !isOver, isUp, self.process == process, self.failover === failover else { return }
            isOver = true
            then()
        }
        var open = failover.others.count
        for record in failover.others {
            ask(record) {
                open -= 1
                if open == 0 { go() }
            }
        }
        world.after(Node.promiseTimeout) { go() }
    }

    private func look(_ failover: Failover) {
        gather(failover) { record, answered in
            look(at: record, timeout: Node.promiseTimeout) { status in
                if status != nil { failover.reachable += 1 }
                answered()
            }
        } then: { [self] in
            if !failover.acceptsDataLoss, let risk = failover.decision(failover.reachable).risk {
                return end(failover, risk)
            }
            collectPromises(failover)
        }
    }

    private func collectPromises(_ failover: Failover) {
        let reign = Reign(term: highestTerm(failover.document) + 1, holder: failover.number)
        guard let own = promise(reign) else { return end(failover, "this node knows a higher one") }
        gather(failover) { record, answered in
            guard let peer = world.node(at: record.address) else { return }
            world.call(
                self, peer, timeout: Node.promiseTimeout,
                handle: { () -> Extent?? in
                    guard peer.admits(self) else { return nil }
                    let process = peer.process
                    let answer = peer.promise(reign)
                    // A process that ended in between answers nothing.
                    return peer.process == process ? .some(answer) : nil
                }
            ) { result in
                switch result {
                case .success(let extent?):
                    failover.promises += 1
                    if extent > max(own, failover.furthest?.extent ?? own) {
                        failover.furthest = (record, extent)
                    }
                case .success(nil): failover.isContested = true
                case .failure: break
                }
                answered()
            }
        } then: { [self] in
            if failover.isContested { return end(failover, "reign \(reign) is contested") }
            let decision = failover.decision(failover.promises)
            if !failover.acceptsDataLoss, let risk = decision.risk { return end(failover, risk) }
            guard world.passes(.promisesCollected, self) else { return }
            guard let furthest = failover.furthest else { return reignNow(reign, failover, true) }
            takeTail(from: furthest.record) { [self] isWhole in
                guard isWhole || failover.acceptsDataLoss else {
                    return end(failover, "the tail of \(furthest.record.name) is missing")
                }
                reignNow(reign, failover, isWhole)
            }
        }
    }

    private func reignNow(_ reign: Reign, _ failover: Failover, _ isWhole: Bool) {
        guard self.failover === failover else { return }
        // A node that was taken in anew meanwhile has another number: its reign would be another's.
        guard facts.number == failover.number, facts.promised == reign, self.reign == nil,
            let store, reign > store.state.reign
        else { return end(failover, "another node took a higher reign") }
        if !failover.decision(failover.promises).isExclusive || !isWhole {
            world.watch.excuse("\(name) took reign \(reign) with data loss accepted")
        }
        session?.stop()
        beginSession()
        guard openReign(reign) else { return end(failover, "the entry could not be written") }
        end(failover, "done, with \(failover.promises) promises")
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
        guard openReign(reign, with: .founding(lineage, founding)) else { return }
        changeFacts {
            $0.lineage = lineage
            $0.forking = nil
            $0.document = nil
            $0.promised = nil
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
