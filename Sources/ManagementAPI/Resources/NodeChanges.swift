import Engine
import HTTPServer
import JSON
import Log
import Node
import Topology

/// What the fields of a node must be.
enum NodeFields {
    static let nameRule =
        "a node's name: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit; not self"
    static let syncRate = "full_sync_max_bytes_per_second"
    static let addressRule = "http://host:port or https://host:port and nothing else"
}

/// Taking nodes in, moving them, starting them over, taking them out.
enum NodeChanges {
    static let routes: [Route] = [
        Route(
            .post, "/v1/nodes", .topologyWrite, body: body, query: [DryRun.parameter],
            effect: .changes(needsSpace: false), add),
        // Not refused early by a replica: a claim is its own.
        Route(
            .patch, "/v1/nodes/{name}", .topologyWrite, body: body,
            query: [DryRun.parameter, Route.redirect], change),
        Route(
            .delete, "/v1/nodes/{name}", .topologyWrite, query: [DryRun.parameter],
            effect: .changes(needsSpace: false), remove),
        Route(
            .post, "/v1/nodes/{name}/resync", .topologyWrite, query: [DryRun.parameter],
            effect: .changes(needsSpace: false), resync),
    ]

    private static let body = Route.BodyRule.json(bytesMax: Route.BodyRule.jsonBytesMax)

    // MARK: - In

    private static func add(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(), allowing: ["address", "name", "upstream", "discard_data"], faults)
        let address = fields.parsed("address", isRequired: true, NodeFields.addressRule) {
            NodeAddress($0)
        }
        let name = fields.parsed("name", NodeFields.nameRule) { NodeName($0) }
        let upstream = fields.parsed("upstream", NodeFields.nameRule) { NodeName($0) }
        let discardsData = fields.flag("discard_data") ?? false
        try faults.check()
        guard let address else { throw .validationFailed(faults.faults) }
        let reason = try call.changeReason()
        guard try !call.isDryRun() else {
            call.node.planAdd(
                at: address, name: name, upstream: upstream, discardData: discardsData
            ) { result in
                switch result {
                case .success(let plan): call.respond(DryRun.answer(plan))
                case .failure(let failure): call.respond(call.problem(failure))
                }
            }
            return .later
        }
        return try call.beginOperation { id in
            add(
                call, at: address, name: name, upstream: upstream, discardsData: discardsData,
                operationID: id, changedBy: call.changedBy, reason: reason,
                credential: call.credential)
        }
    }

    static func add(
        _ call: Call, at address: NodeAddress, name: NodeName?, upstream: NodeName?,
        discardsData: Bool, operationID: String = Node.newOperationID(), changedBy: String,
        reason: String?, credential: Credential? = nil
    ) -> Route.Outcome {
        call.node.addNode(
            at: address, name: name, upstream: upstream, discardData: discardsData,
            operationID: operationID, changedBy: changedBy, reason: reason, credential: credential
        ) { result in
            switch result {
            case .success(let operation): call.respond(started(call, operation))
            case .failure(.change(let failure)): call.respond(call.problem(failure))
            case .failure(let failure): call.respond(Problem(failure))
            }
        }
        return .later
    }

    static func started(_ call: Call, _ operation: OperationRecord) -> Response {
        let view = call.node.operation(operation.id) ?? OperationView(begun: operation)
        return .json(
            view.json, status: 202,
            headers: [("Location", "/v1/operations/\(operation.id)")])
    }

    private static func resync(_ call: Call) throws(Problem) -> Route.Outcome {
        let member = try call.member()
        let reason = try call.changeReason()
        let isDryRun = try call.isDryRun()
        if let refusal = call.node.resyncRefusal(of: member) {
            if isDryRun { return .response(DryRun.answer(ChangePlan(blockers: [refusal]))) }
            throw .conflict(
                refusal.code.rawValue,
                "\(Sentence.of(refusal.detail)) What to do: \(Sentence.of(refusal.remedy))")
        }
        if isDryRun { return .response(DryRun.answer(call.node.planResync(of: member.number))) }
        return try call.beginOperation { id in
            call.node.resync(
                member, operationID: id, changedBy: call.changedBy, reason: reason,
                credential: call.credential
            ) {
                switch $0 {
                case .success(let operation): call.respond(started(call, operation))
                case .failure(let failure): call.respond(call.problem(failure))
                }
            }
            return .later
        }
    }

    // MARK: - Changed

    private static func change(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(),
            allowing: ["address", "upstream", "claim", NodeFields.syncRate], faults)
        if fields.isEmpty { faults.report("", "missing", "Name what to change.") }
        let address = fields.parsed("address", NodeFields.addressRule) { NodeAddress($0) }
        let upstream = fields.parsed("upstream", NodeFields.nameRule) { NodeName($0) }
        let claims = fields.flag("claim") ?? false
        let rate = syncRate(of: fields)
        try faults.check()
        let isDryRun = try call.isDryRun()
        if let rate {
            return try limitFullSync(
                call, rate, isAlone: address == nil && upstream == nil && !claims,
                isDryRun: isDryRun)
        }
        if claims { return try claim(call, upstream, isAlone: address == nil, isDryRun: isDryRun) }
        if let failure = call.node.earlyRefusal(needsSpace: false) { throw call.problem(failure) }
        let member = try call.member()
        let reason = try call.changeReason()
        let endsClaim = upstream != nil && call.node.hasClaim(member.number)
        @Sendable func make(
            _ document: TopologyDocument, _ next: NodeNumber, _ note: ChangeNote
        ) -> Result<TopologyChange, TopologyFaults> {
            var parent: NodeNumber?
            if let upstream {
                guard let record = document.node(named: upstream) else {
                    let fault = TopologyFault(
                        "/upstream", .unknownNode, "there is no node \(upstream)")
                    return .failure(TopologyFaults([fault]))
                }
                parent = record.number
            }
            return document.updating(
                member.number, address: address, upstream: parent, endsClaim: endsClaim, note: note)
        }
        if let address, let refusal = call.node.refusal(of: address) {
            guard isDryRun else { throw Problem(.addressNotAllowed(refusal)) }
            let blockers = [MemberFailure.addressFinding(refusal)]
            return .response(DryRun.answer(ChangePlan(blockers: blockers)))
        }
        if isDryRun { return try call.plan(make) }
        let change = ChangeTopology(changedBy: call.changedBy, reason: reason, make: make)
        let report = { @Sendable () -> Response in
            .json(call.report(of: member.name.rawValue)?.json ?? .null)
        }
        if let key = try call.requestKey() {
            call.changeOnce(change, by: key, report)
            return .later
        }
        return submit(call, change) { _ in report() }
    }

    /// A replica follows another node by its own decision.
    private static func claim(
        _ call: Call, _ upstream: NodeName?, isAlone: Bool, isDryRun: Bool
    ) throws(Problem) -> Route.Outcome {
        guard let upstream, isAlone else {
            throw .validationFailed([
                Problem.Fault(
                    pointer: "/claim", code: "claim-names-upstream",
                    detail: "A claim names an upstream and nothing else.")
            ])
        }
        let own = call.node.name.rawValue
        guard ["self", own].contains(call.parameter("name")) else {
            throw .conflict(
                "not-this-node", "A claim is made at the node itself: PATCH /v1/nodes/self there.")
        }
        if isDryRun { return .response(DryRun.answer(call.node.planClaim(upstream: upstream))) }
        call.node.claim(upstream: upstream, changedBy: call.changedBy) { result in
            switch result {
            case .success: call.respond(.json(call.report(of: own)?.json ?? .null))
            case .failure(let refusal): call.respond(Problem(refusal))
            }
        }
        return .later
    }

    // MARK: - Out

    private static func remove(_ call: Call) throws(Problem) -> Route.Outcome {
        let member = try call.member()
        let reason = try call.changeReason()
        @Sendable func make(
            _ document: TopologyDocument, _ next: NodeNumber, _ note: ChangeNote
        ) -> Result<TopologyChange, TopologyFaults> {
            document.removing(member.number, note: note)
        }
        if try call.isDryRun() { return try call.plan(make) }
        let change = ChangeTopology(changedBy: call.changedBy, reason: reason, make: make)
        return submit(call, change) { .position($0.position) }
    }

    private static func submit(
        _ call: Call, _ change: ChangeTopology,
        _ answer: @escaping @Sendable (Committed<TopologyOutcome>) -> Response
    ) -> Route.Outcome {
        call.node.changeTopology(call.admitted(change)) { result in
            switch result {
            case .success(let committed): call.respond(answer(committed))
            case .failure(let failure): call.respond(call.problem(failure))
            }
        }
        return .later
    }
}
