import Platform
public import Topology

/// Plans of what is done to one replica, without a change of the document.
extension Node {
    /// Why that node cannot be started over; nil when it can.
    public func resyncRefusal(of member: NodeRecord) -> ChangePlan.Finding? {
        switch document?.role(of: member.number) {
        case .replica:
            nil
        case .primary:
            ChangePlan.Finding(
                .init(rawValue: "node-is-primary"), member.name,
                "\(member.name) is the primary: there is nobody to sync it from",
                remedy: "switch over to another node before")
        case nil:
            ChangePlan.Finding(
                .init(rawValue: "node-without-role"), member.name,
                "\(member.name) follows nobody", remedy: "PATCH it with an upstream before")
        }
    }

    /// What it would be if this node followed `upstream` by its own decision.
    public func planClaim(upstream name: NodeName) -> ChangePlan {
        do throws(ClaimRefusal) {
            let (upstream, configured, document) = try checkClaim(name)
            let own = document.label(of: configured)
            var plan = ChangePlan(steps: [
                .init(
                    .claimUpstream, self.name,
                    "it follows \(name) instead of \(own), until a newer document is known")
            ])
            let report = self.report(of: upstream, in: document)
            if report.running == nil, upstream.number != state.facts.number {
                plan.risks = [
                    report.finding(
                        of: .init(code: "node-unreachable", detail: "\(name) does not answer"))
                ]
            }
            return plan
        } catch {
            return ChangePlan(blockers: [error.finding(self.name)])
        }
    }
}

extension ClaimRefusal {
    fileprivate func finding(_ own: NodeName) -> ChangePlan.Finding {
        switch self {
        case .isPrimary:
            ChangePlan.Finding(
                .isPrimary, own, "this node is the primary: it follows nobody",
                remedy: "none needed")
        case .notMember:
            ChangePlan.Finding(
                .notMember, own, "this node is no replica of a cluster",
                remedy: "take it in before, with POST /v1/nodes at the primary")
        case .unknownNode(let name):
            ChangePlan.Finding(
                .unknownNode, name, "/upstream: there is no other node \(name)",
                remedy: "correct /upstream")
        case .ownFollower(let name):
            ChangePlan.Finding(
                .init(rawValue: "cycle"), name,
                "/upstream: \(name) follows this node, so this node cannot follow it",
                remedy: "name another upstream")
        case .failed(let detail):
            ChangePlan.Finding(
                .init(rawValue: "internal-error"), own, "the claim cannot be kept: \(detail)",
                remedy: "see this node's log")
        }
    }
}
