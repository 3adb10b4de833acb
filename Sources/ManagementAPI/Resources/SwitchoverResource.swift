import HTTPServer
import JSON
import Node
import Platform
import Topology

/// `/v1/topology/switchover`: another node becomes primary, as planned, and nothing is lost.
enum SwitchoverResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/topology/switchover", .topologyWrite,
            body: .json(bytesMax: Route.BodyRule.jsonBytesMax), query: [DryRun.parameter],
            effect: .changes(needsSpace: false), switchOver)
    ]

    private static let timeouts =
        Int(
            Node.switchoverTimeouts.lowerBound.wholeMilliseconds)...Int(
            Node.switchoverTimeouts.upperBound.wholeMilliseconds)

    private static func switchOver(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(), allowing: ["from", "to", "timeout_ms", "reason"], faults)
        let from = fields.parsed("from", isRequired: true, NodeFields.nameRule) { NodeName($0) }
        let to = fields.parsed("to", NodeFields.nameRule) { NodeName($0) }
        let timeout = fields.integer("timeout_ms", in: timeouts)
        let reason = fields.reason()
        try faults.check()
        guard let from else { throw .validationFailed(faults.faults) }
        let header = try call.changeReason()
        let patience = timeout.map { Duration.milliseconds($0) } ?? Node.switchoverTimeout
        guard try !call.isDryRun() else {
            let plan = call.node.planSwitchover(from: from, to: to, timeout: patience)
            return .response(DryRun.answer(plan))
        }
        return try call.beginOperation { id in
            call.node.switchOver(
                from: from, to: to, timeout: patience, operationID: id,
                changedBy: call.changedBy, reason: reason ?? header, credential: call.credential
            ) { result in
                switch result {
                case .success(let operation): call.respond(NodeChanges.started(call, operation))
                case .failure(.change(let failure)): call.respond(call.problem(failure))
                case .failure(let refusal): call.respond(Problem(refusal))
                }
            }
            return .later
        }
    }
}
