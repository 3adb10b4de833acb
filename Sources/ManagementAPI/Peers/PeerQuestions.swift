import HTTPServer
import JSON
import Node
import Replication
import Topology

/// `/replication/operations/{id}`, `/replication/nodes/{name}`: what a node tells one that was asked
/// for what it does not know. It answers with what it knows itself, and asks nobody.
enum PeerQuestions {
    static let routes: [Route] = [
        .peer(.get, "/replication/operations/{id}", operation),
        .peer(.get, "/replication/nodes/{name}", node),
    ]

    private static func operation(
        _ call: Call, _ peer: PeerIdentity
    ) throws(Problem) -> Route.Outcome {
        guard let view = call.node.operation(call.parameter("id")) else {
            throw .notFound("This node does not know that operation.")
        }
        return .response(.json(view.json))
    }

    private static func node(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        guard let report = call.report(of: call.parameter("name")) else {
            throw .notFound("This node does not know that node.")
        }
        return .response(.json(report.json))
    }
}
