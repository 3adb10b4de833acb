import Engine
import Log
import Platform
import Topology

/// Changes that reach the new primary between a handover's entry and its right to append: a writer
/// that was sent on by the old primary is often faster than the sync of that entry. They wait here, for
/// milliseconds, instead of being told that nobody reigns.
final class TakeoverQueue: Sendable {
    private let parked = Monitor<[@Sendable () -> Void]>([])

    /// As many as may well be under way at a node.
    static let parkedMax = 8_192

    /// - Returns: False when there are too many; nothing is kept then.
    func add(_ change: @escaping @Sendable () -> Void) -> Bool {
        parked.withLock { parked in
            guard parked.count < TakeoverQueue.parkedMax else { return false }
            parked.append(change)
            return true
        }
    }

    /// All that wait, in the order in which they came; none waits any more.
    func take() -> [@Sendable () -> Void] {
        parked.withLock { parked in
            defer { parked = [] }
            return parked
        }
    }
}

extension Node {
    /// Whether the last entry grants this node a reign that it is about to take.
    var isTakingOver: Bool {
        guard case .replica = state.role, let number = state.facts.number,
            let header = state.engine?.state.header,
            let granted = state.engine?.state.catalog.topology
        else { return false }
        // It is noted as promised before it is taken, and that takes a sync of the disk.
        let isNoted =
            state.facts.promised == granted.reign && granted.reign.holder == number
            && header.reign < granted.reign
        return (isNoted || grants(granted, to: number, after: header.reign)) && !state.isDraining
    }

    /// Whether `document`, applied in a lower reign, hands its reign over to `number`, and nothing
    /// higher was promised since.
    func grants(_ document: TopologyDocument, to number: NodeNumber, after reign: Reign) -> Bool {
        document.reign.holder == number && reign < document.reign
            && state.facts.promised.map { $0 < document.reign } ?? true
    }

    /// Hands on what waited for the reign; whoever waits although there is none is refused. On the
    /// control loop, after each look at the role.
    func answerParked() {
        for change in parked.take() { change() }
    }
}
