import HTTPServer
import JSON
import Node
import Replication

/// `/replication/topology`: what nodes know of each other and of the document.
enum PeerTopology {
    static let routes: [Route] = [
        .peer(.get, "/replication/topology", admitsStrangers: true, tell),
        .peer(
            .post, "/replication/topology", body: .json(bytesMax: Route.BodyRule.jsonBytesMax), hear
        ),
    ]

    private static func tell(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        .response(.json(call.node.peerStatus))
    }

    private static func hear(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        let word = try call.document()
        // What is new is written to a file before it is answered.
        return try call.later(on: call.api.peerWork) { () throws(Problem) -> Route.Outcome in
            guard call.node.hear(of: word) else {
                throw .invalidArgument("The body has no lineage and document that can be read.")
            }
            return .response(.json([:]))
        }
    }
}
