import HTTPServer
import JSON
import Node
import Topology

/// What an operator sets at a node for that node alone: it is no entry of the log, so it is set at
/// the node itself, whatever its role.
extension NodeChanges {
    /// A rate that the request names.
    enum SyncRate {
        /// What the node was started with.
        case asStarted
        case bytesPerSecond(UInt64)
    }

    /// Nil: the request does not speak of it.
    static func syncRate(of fields: Fields) -> SyncRate? {
        guard fields.has(NodeFields.syncRate) else { return nil }
        if fields.isNil(NodeFields.syncRate) { return .asStarted }
        let rates = NodeOptions.fullSyncRates
        let rate = fields.integer(
            NodeFields.syncRate, in: Int(rates.lowerBound)...Int(rates.upperBound))
        return rate.map { .bytesPerSecond(UInt64($0)) }
    }

    static func limitFullSync(
        _ call: Call, _ rate: SyncRate, isAlone: Bool, isDryRun: Bool
    ) throws(Problem) -> Route.Outcome {
        guard isAlone else {
            throw .validationFailed([
                Problem.Fault(
                    pointer: "/" + NodeFields.syncRate, code: "stands-alone",
                    detail: "The limit is this node's own: send it without other fields.")
            ])
        }
        let own = call.node.name.rawValue
        let asked = call.parameter("name")
        guard [NodeResource.selfName, own].contains(asked) else {
            let member = try call.member()
            throw .conflict(
                "not-this-node",
                "\(member.name) keeps this limit itself: send the same request to it, at "
                    + "\(member.address)/v1/nodes/self. Nothing was done.")
        }
        let bytes: UInt64? =
            switch rate {
            case .asStarted: nil
            case .bytesPerSecond(let bytes): bytes
            }
        if isDryRun {
            let limit = bytes.map { "\($0) bytes a second at most" } ?? "as it was started"
            let step = ChangePlan.Step(
                .limitFullSync, call.node.name,
                "\(limit), the running one too; kept in its node.json")
            return .response(DryRun.answer(ChangePlan(steps: [step])))
        }
        call.node.limitFullSync(bytesPerSecondMax: bytes, changedBy: call.changedBy) { failure in
            if let failure {
                call.respond(.internalError("The limit cannot be kept: \(Sentence.of(failure))"))
            } else {
                call.respond(.json(call.report(of: own)?.json ?? .null))
            }
        }
        return .later
    }
}
