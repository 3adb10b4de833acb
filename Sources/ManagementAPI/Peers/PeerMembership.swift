import HTTPServer
import JSON
import Node
import Replication
import Topology

/// `/replication/adopt`, `/replication/join` and `/replication/resync`: how nodes come in.
enum PeerMembership {
    static let routes: [Route] = [
        .peer(.post, "/replication/adopt", body: body, admitsStrangers: true, adopt),
        .peer(.post, "/replication/join", body: body, admitsStrangers: true, join),
        .peer(.post, "/replication/resync", body: body, resync),
    ]

    private static let body = Route.BodyRule.json(bytesMax: Route.BodyRule.jsonBytesMax)

    private static func adopt(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        guard let request = AdoptionRequest(json: try call.document()) else {
            throw .invalidArgument("The body is no request to adopt this node.")
        }
        try call.checkSecret(of: request.lineage)
        call.node.adopt(request) { result in
            switch result {
            case .success: call.respond(.json(call.node.peerStatus))
            case .failure(let refusal): call.respond(Problem(refusal))
            }
        }
        return .later
    }

    /// The same as `POST /v1/nodes`, asked by the node that wants to come in.
    private static func join(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        try call.checkSecret(of: peer.lineage)
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["name", "address"], faults)
        let name = fields.parsed("name", isRequired: true, NodeFields.nameRule) { NodeName($0) }
        let address = fields.parsed("address", isRequired: true, NodeFields.addressRule) {
            NodeAddress($0)
        }
        try faults.check()
        guard let name, let address else { throw .validationFailed(faults.faults) }
        if let failure = call.node.earlyRefusal(needsSpace: false) { throw call.problem(failure) }
        // It asks until it is taken in; the topology may have it already.
        if call.node.document?.node(named: name)?.address == address {
            return .response(.json(call.node.peerStatus))
        }
        return NodeChanges.add(
            call, at: address, name: name, upstream: nil, discardsData: false,
            changedBy: "node:\(name)", reason: "asked to join")
    }

    private static func resync(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome
    {
        try call.checkMember(peer)
        guard let id = try call.document()["operation"]?.stringValue else {
            throw .invalidArgument("The body does not name the operation.")
        }
        call.node.startOver(operation: id)
        return .response(.json([:], status: 202))
    }
}
