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
            .post, "/v1/nodes", .topologyWrite, body: body, effect: .changes(needsSpace: false), add
        ),
        // Not refused early by a replica: a claim is its own.
        Route(
            .patch, "/v1/nodes/{name}", .topologyWrite, body: body, query: [Route.redirect], change),
        Route(
            .delete, "/v1/nodes/{name}", .topologyWrite, effect: .changes(needsSpace: false), remove
        ),
        Route(
            .post, "/v1/nodes/{name}/resync", .topologyWrite, effect: .changes(needsSpace: false),
            resync),
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
        return add(
            call, at: address, name: name, upstream: upstream, discardsData: discardsData,
            changedBy: call.caller.label, reason: try call.changeReason())
    }

    static func add(
        _ call: Call, at address: NodeAddress, name: NodeName?, upstream: NodeName?,
        discardsData: Bool, changedBy: String, reason: String?
    ) -> Route.Outcome {
        call.node.addNode(
            at: address, name: name, upstream: upstream, discardData: discardsData,
            changedBy: changedBy, reason: reason
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
        switch call.node.document?.role(of: member.number) {
        case .replica: break
        case .primary:
            throw .conflict(
                "node-is-primary", "\(member.name) is the primary: there is nobody to sync it from."
            )
        case nil:
            throw .conflict(
                "node-without-role",
                "\(member.name) follows nobody. PATCH it with an upstream first.")
        }
        call.node.resync(member, changedBy: call.caller.label, reason: try call.changeReason()) {
            switch $0 {
            case .success(let operation): call.respond(started(call, operation))
            case .failure(let failure): call.respond(call.problem(failure))
            }
        }
        return .later
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
        if let rate {
            return try limitFullSync(
                call, rate, isAlone: address == nil && upstream == nil && !claims)
        }
        if claims { return try claim(call, upstream, isAlone: address == nil) }
        if let failure = call.node.earlyRefusal(needsSpace: false) { throw call.problem(failure) }
        if let address, let refusal = call.node.refusal(of: address) {
            throw Problem(.addressNotAllowed(refusal))
        }
        let member = try call.member()
        let parent = try upstream.map { name throws(Problem) in
            guard let record = call.node.document?.node(named: name) else {
                let fault = Problem.Fault(
                    pointer: "/upstream", code: TopologyFault.Code.unknownNode.rawValue,
                    detail: "There is no node \(name).")
                throw .validationFailed([fault])
            }
            return record.number
        }
        let change = ChangeTopology(
            changedBy: call.caller.label, reason: try call.changeReason()
        ) { document, _, note in
            document.updating(member.number, address: address, upstream: parent, note: note)
        }
        return submit(call, change) { _ in
            .json(call.report(of: member.name.rawValue)?.json ?? .null)
        }
    }

    /// A replica follows another node by its own decision.
    private static func claim(
        _ call: Call, _ upstream: NodeName?, isAlone: Bool
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
            throw .invalidArgument(
                "A claim is made at the node itself: PATCH /v1/nodes/self there.")
        }
        call.node.claim(upstream: upstream) { result in
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
        let change = ChangeTopology(
            changedBy: call.caller.label, reason: try call.changeReason()
        ) { document, _, note in
            document.removing(member.number, note: note)
        }
        return submit(call, change) { .position($0.position) }
    }

    private static func submit(
        _ call: Call, _ change: ChangeTopology,
        _ answer: @escaping @Sendable (Committed<TopologyOutcome>) -> Response
    ) -> Route.Outcome {
        call.node.changeTopology(change) { result in
            switch result {
            case .success(let committed): call.respond(answer(committed))
            case .failure(let failure): call.respond(call.problem(failure))
            }
        }
        return .later
    }
}
