import HTTPServer
import JSON
import Node
import Topology

/// `/v1/topology/failover`: sent to the candidate when the primary is gone, or to a detached node,
/// which then founds a cluster of its own.
enum FailoverResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/topology/failover", .topologyForce,
            body: .json(bytesMax: Route.BodyRule.jsonBytesMax), query: [DryRun.parameter],
            failOver)
    ]

    private static func failOver(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(), allowing: ["to", "accept_data_loss", "reason"], faults)
        let candidate = fields.parsed("to", isRequired: true, NodeFields.nameRule) { $0 }
        let acceptsDataLoss = fields.flag("accept_data_loss") ?? false
        let reason = fields.reason(isRequired: true)
        try faults.check()
        guard let candidate, let reason else { throw .validationFailed(faults.faults) }
        let own = call.node.name.rawValue
        guard candidate == own || candidate == "self" else {
            throw .conflict(
                "not-the-candidate",
                "This node is \(own). A failover is sent to the node that shall become primary.")
        }
        guard try !call.isDryRun() else {
            call.node.planFailover(acceptDataLoss: acceptsDataLoss) {
                call.respond(DryRun.answer($0))
            }
            return .later
        }
        return try call.beginOperation { id in
            call.node.failOver(
                acceptDataLoss: acceptsDataLoss, operationID: id, changedBy: call.changedBy,
                reason: reason
            ) { result in
                switch result {
                case .success(let operation): call.respond(NodeChanges.started(call, operation))
                case .failure(let refusal): call.respond(Problem(refusal))
                }
            }
            return .later
        }
    }
}
