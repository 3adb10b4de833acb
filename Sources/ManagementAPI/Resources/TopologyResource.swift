import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// The configured document: read, planned, replaced.
enum TopologyResource {
    static let routes: [Route] = [
        Route(.get, "/v1/topology", .clusterRead, get),
        // Not refused early by a replica: a dry run changes nothing.
        Route(
            .put, "/v1/topology", .topologyWrite,
            body: .json(bytesMax: Route.BodyRule.jsonBytesMax), query: ["dry_run", Route.redirect],
            put),
    ]

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let (document, lineage) = try call.topology()
        let etag = document.etag(in: lineage)
        let known = try TagCondition.read(
            call.head.headers(named: "If-None-Match"), header: "If-None-Match")
        let isKnown = known?.matchesWeakly(etag) ?? false
        return .response(
            .json(document.json, status: isKnown ? 304 : 200, headers: [("ETag", etag)]))
    }

    private static func put(_ call: Call) throws(Problem) -> Route.Outcome {
        let condition = try TagCondition.read(
            call.head.headers(named: "If-Match"), header: "If-Match")
        guard let condition else {
            throw .preconditionRequired(
                "Say with If-Match which topology is replaced: the ETag of GET /v1/topology.")
        }
        let isDryRun = try call.query.flag("dry_run")
        let faults = FaultList()
        let request = TopologyRequest(try call.document(), faults)
        if !faults.faults.isEmpty, let document = call.node.document {
            faults.report(rulesOf: request, beside: document)
        }
        try faults.check()
        let reason = try call.changeReason()
        guard !isDryRun else { return try plan(call, request, condition) }
        let lineage = call.node.peerIdentity.lineage
        let change = ChangeTopology(
            changedBy: call.changedBy, reason: reason,
            expects: { condition.matchesStrongly("\"\($0.hex)\"") }
        ) { document, nextNumber, note in
            document.applying(request, nextNumber: nextNumber, note: note)
        }
        call.node.changeTopology(call.admitted(change)) { result in
            switch result {
            case .success(let committed):
                let document = committed.answer.document
                call.respond(
                    .json(
                        document.json,
                        headers: [
                            ("ETag", lineage.map { document.etag(in: $0) } ?? "\"\""),
                            (Headers.index, "\(committed.position.index)"),
                        ]))
            case .failure(let failure):
                call.respond(call.problem(failure))
            }
        }
        return .later
    }

    // MARK: - Planning

    private static func plan(
        _ call: Call, _ request: TopologyRequest, _ condition: TagCondition
    ) throws(Problem) -> Route.Outcome {
        let (document, lineage) = try call.topology()
        let etag = document.etag(in: lineage)
        guard condition.matchesStrongly(etag) else {
            throw Problem(Refusal.topologyChanged(document), lineage: lineage)
        }
        let plan = call.node.plan { document, nextNumber, note in
            document.applying(request, nextNumber: nextNumber, note: note)
        }
        return .response(.json(plan?.json ?? .null, headers: [("ETag", etag)]))
    }
}

extension Call {
    /// The newest document that this node knows, and whose it is.
    func topology() throws(Problem) -> (TopologyDocument, Lineage) {
        guard let document = node.document, let lineage = node.peerIdentity.lineage else {
            throw .notReady("This node belongs to no cluster yet. Try again.")
        }
        return (document, lineage)
    }
}
