import Platform
public import Topology

/// Plans of what is done to one replica, without a change of the document.
extension Node {
    /// Why that node cannot be started over; nil when it can.
    public func resyncRefusal(of member: NodeRecord) -> TopologyPlan.Finding? {
        switch document?.role(of: member.number) {
        case .replica:
            nil
        case .primary:
            TopologyPlan.Finding(
                .init(rawValue: "node-is-primary"), member.name,
                "\(member.name) is the primary: there is nobody to sync it from",
                remedy: "switch over to another node before")
        case nil:
            TopologyPlan.Finding(
                .init(rawValue: "node-without-role"), member.name,
                "\(member.name) follows nobody", remedy: "PATCH it with an upstream before")
        }
    }

    /// What it would be if this node followed `upstream` by its own decision.
    public func planClaim(upstream name: NodeName) -> TopologyPlan {
        do throws(ClaimRefusal) {
            let (upstream, configured, document) = try checkClaim(name)
            let own = document.label(of: configured)
            var plan = TopologyPlan(steps: [
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
            return TopologyPlan(blockers: [error.finding(self.name)])
        }
    }
}

extension ClaimRefusal {
    fileprivate func finding(_ own: NodeName) -> TopologyPlan.Finding {
        switch self {
        case .isPrimary:
            TopologyPlan.Finding(
                .isPrimary, own, "this node is the primary: it follows nobody",
                remedy: "none needed")
        case .notMember:
            TopologyPlan.Finding(
                .notMember, own, "this node is no replica of a cluster",
                remedy: "take it in before, with POST /v1/nodes at the primary")
        case .unknownNode(let name):
            TopologyPlan.Finding(
                .unknownNode, name, "/upstream: there is no other node \(name)",
                remedy: "correct /upstream")
        case .ownFollower(let name):
            TopologyPlan.Finding(
                .init(rawValue: "cycle"), name,
                "/upstream: \(name) follows this node, so this node cannot follow it",
                remedy: "name another upstream")
        case .failed(let detail):
            TopologyPlan.Finding(
                .init(rawValue: "internal-error"), own, "the claim cannot be kept: \(detail)",
                remedy: "see this node's log")
        }
    }
}
