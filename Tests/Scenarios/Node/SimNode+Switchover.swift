import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The rules of `Node+Switchover`, on both sides.
extension SimNode {
    /// Hands over to `heir` as planned, if it may; gives it up after five seconds.
    func switchOver(to heir: SimNode) {
        guard isUp, reign != nil, !isHolding, let document, let number = heir.facts.number,
            case .replica = document.role(of: number)
        else { return }
        log("holds its writes for \(heir.name)")
        isHolding = true
        guard world.passes(.held, self) else { return }
        awaitHeir(number, until: world.now + .seconds(5))
    }

    private func awaitHeir(_ heir: NodeNumber, until deadline: MonotonicTime) {
        guard let reign, let document else {
            isHolding = false
            return
        }
        let known = acknowledged()
        func hasAll(_ number: NodeNumber) -> Bool {
            known.contains { $0.node == number && $0.applied >= position.index }
        }
        let count = document.replicas.count { hasAll($0.node) }
        if hasAll(heir), count >= document.minInSyncReplicas {
            return handOver(to: heir, reign, document)
        }
        guard world.now < deadline else {
            isHolding = false
            return log("gives the switchover up, and goes on")
        }
        world.after(.milliseconds(5)) { [self, process] in
            if process == self.process { awaitHeir(heir, until: deadline) }
        }
    }

    private func handOver(to heir: NodeNumber, _ own: Reign, _ document: TopologyDocument) {
        guard world.passes(.heirReady, self) else { return }
        let next = Reign(term: highestTerm(document) + 1, holder: heir)
        let note = ChangeNote(at: wallClock, by: "operator")
        isHolding = false
        guard let current = store?.state.document,
            case .success(.changed(let document)) = current.movingPrimary(
                to: heir, reign: next, note: note),
            append(.handover(document), in: own) != nil, world.passes(.handedOver, self)
        else { return }
        store?.log.sync()
        setRole(.replica(nil))
        log("hands over to \(heir) in \(next)")
        pumpAll()
        reconcile()
    }

    /// - Returns: Whether this node has taken the reign that its last topology entry grants it.
    func takeHandover(_ document: TopologyDocument, _ number: NodeNumber) -> Bool {
        guard let state = store?.state, let granted = state.document,
            granted.version == document.version, granted.reign.holder == number,
            state.reign < granted.reign, facts.promised.map({ $0 < granted.reign }) ?? true
        else { return false }
        guard world.passes(.handoverApplied, self) else { return true }
        session?.stop()
        beginSession()
        changeFacts { $0.promised = granted.reign }
        store?.log.sync()
        setRole(.primary(granted.reign))
        log("takes reign \(granted.reign) from \(position.index)")
        _ = world.passes(.handoverTaken, self)
        return true
    }
}
