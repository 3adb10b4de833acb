import HTTPServer
import Log
import Node
import Topology

/// `?dry_run=true`: the plan of a change instead of the change. It changes nothing anywhere, and its
/// blockers are the rules by which the change itself would be refused.
enum DryRun {
    static let parameter = "dry_run"

    /// 200 with the plan, whether it has blockers or not.
    static func answer(_ plan: ChangePlan) -> Response { .json(plan.json) }
}

extension Call {
    /// A plan may be asked for as often as one likes: an `Idempotency-Key` with it must be one, and keeps
    /// no answer.
    func isDryRun() throws(Problem) -> Bool {
        guard try query.flag(DryRun.parameter) else { return false }
        _ = try requestKey()
        return true
    }

    /// The plan of a change of the document.
    func plan(
        _ make: (TopologyDocument, NodeNumber, ChangeNote) -> Result<TopologyChange, TopologyFaults>
    ) throws(Problem) -> Route.Outcome {
        guard let plan = node.plan(make) else {
            throw .notReady("This node belongs to no cluster yet. Try again.")
        }
        return .response(DryRun.answer(plan))
    }
}
