import Platform
public import Topology

extension Node {
    /// What handing over to `candidate`, or to the replica that is furthest, would do. Its blockers are
    /// the rules by which it would be refused.
    public func planSwitchover(
        from: NodeName, to candidate: NodeName?, timeout: Duration
    ) -> ChangePlan {
        var plan = ChangePlan()
        do throws(SwitchoverRefusal) {
            let heir = try self.heir(from: from, to: candidate)
            if let document = state.document {
                let hold = min(timeout, Node.holdMax)
                plan = self.plan(
                    of: .switchover(holdMaxMilliseconds: UInt64(max(0, hold.wholeMilliseconds))),
                    to: heir.number, in: document)
            }
        } catch {
            plan.blockers = error.findings
        }
        if tracker.runsSwitchover { plan.blockers += SwitchoverRefusal.busy.findings }
        return plan
    }
}

extension SwitchoverRefusal {
    /// Each rule that forbids it.
    public var findings: [ChangePlan.Finding] {
        switch self {
        case .change:
            [
                ChangePlan.Finding(
                    .init(rawValue: "not-primary"), nil, "this node is not the primary any more",
                    remedy: "ask the primary")
            ]
        case .notFrom(let primary):
            [
                ChangePlan.Finding(
                    .notThePrimary, primary,
                    "the primary is \(primary), not the node named in from",
                    remedy: "GET /v1/topology, and name the primary in from")
            ]
        case .unknownNode(let name):
            [
                ChangePlan.Finding(
                    .unknownNode, name, "/to: there is no node \(name)", remedy: "correct /to")
            ]
        case .alreadyPrimary(let name):
            [
                ChangePlan.Finding(
                    .isPrimary, name, "\(name) is the primary already", remedy: "none needed")
            ]
        case .vetoed(_, let vetoes):
            vetoes
        case .noCandidate(let vetoes):
            [
                ChangePlan.Finding(
                    .noCandidate, nil,
                    "no replica streams and is up to date, so none can take over",
                    remedy: "wait until a replica is in sync, or add one")
            ] + vetoes
        case .busy:
            [
                ChangePlan.Finding(
                    .switchoverRunning, nil, "a switchover runs already",
                    remedy: "follow it in /v1/operations, or cancel it")
            ]
        }
    }
}
