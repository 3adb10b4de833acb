import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform
import Topology

/// `/v1/topology/rollback`: a new generation with the content of an old one.
enum RollbackResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/topology/rollback", .topologyWrite,
            body: .json(bytesMax: Route.BodyRule.jsonBytesMax), query: [DryRun.parameter],
            effect: .changes(needsSpace: false), rollBack)
    ]

    private static func rollBack(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["to_generation", "reason"], faults)
        let generation = fields.integer("to_generation", in: 1...(1 << 53) - 1, isRequired: true)
        let reason = fields.reason()
        try faults.check()
        guard let generation else { throw .validationFailed(faults.faults) }
        let isDryRun = try call.isDryRun()
        guard
            let old = try call.engine().state.catalog.topology(
                of: Generation(UInt64(generation)))
        else {
            let fault = TopologyFault(
                "/to_generation", .unknownGeneration,
                "there is no generation \(generation), or it is kept no more; GET /v1/topology/history lists them"
            )
            guard isDryRun else { throw Problem([fault]) }
            let plan = ChangePlan(blockedBy: TopologyFaults([fault]))
            return .response(DryRun.answer(plan))
        }
        @Sendable func make(
            _ document: TopologyDocument, _ next: NodeNumber, _ note: ChangeNote
        ) -> Result<TopologyChange, TopologyFaults> {
            document.restoring(old, nextNumber: next, note: note)
        }
        if isDryRun {
            call.node.planLooking(make) { result in
                switch result {
                case .success(let plan?): call.respond(DryRun.answer(plan))
                case .success(nil): call.respond(call.problem(.notReady))
                case .failure(let failure): call.respond(call.problem(failure))
                }
            }
            return .later
        }
        let header = try call.changeReason()
        return try call.beginOperation { id in
            begin(call, id, make, reason: reason ?? header)
        }
    }

    private static func begin(
        _ call: Call, _ id: String, _ make: @escaping ChangeTopology.Make, reason: String?
    ) -> Route.Outcome {
        let operation = OperationRecord(
            id: id, type: "rollback", state: .running,
            subject: call.node.name.rawValue, createdAt: .now(), createdBy: call.changedBy,
            reason: reason)
        let change = ChangeTopology(
            changedBy: operation.createdBy, reason: operation.reason, operation: operation,
            make: make)
        call.node.changeTopology(call.admitted(change)) { result in
            switch result {
            case .success: call.respond(NodeChanges.started(call, operation))
            case .failure(let failure): call.respond(call.problem(failure))
            }
        }
        return .later
    }
}
