import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// `/replication/promise` and `/replication/tail`: what whoever is about to open a reign asks.
enum PeerReign {
    static let routes: [Route] = [
        .peer(
            .post, "/replication/promise", body: .json(bytesMax: Route.BodyRule.jsonBytesMax),
            promise),
        .peer(.get, "/replication/tail", query: ["after", "hash"], tail),
    ]

    /// Bytes of entries in one answer, roughly; a larger record comes alone.
    private static let tailBytesMax = 4 << 20

    private static func promise(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome
    {
        guard let text = try call.document()["reign"]?.stringValue, let reign = Reign(text: text),
            reign.holder == peer.number
        else {
            throw .invalidArgument("The body names no reign of the node that asks.")
        }
        call.node.promise(reign, to: peer.name) { result in
            switch result {
            case .success(let given):
                call.respond(.json(given.json))
            case .failure(let refusal):
                call.respond(Problem(refusal))
            }
        }
        return .later
    }

    private static func tail(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        try call.checkMember(peer)
        guard let index = call.query.text("after").flatMap({ UInt64($0) }),
            let hash = call.query.text("hash").flatMap({ Hash128(hex: $0) })
        else { throw .invalidArgument("The tail is asked for with a position.") }
        let position = Position(index: LogIndex(index), hash: hash)
        return try call.later(on: call.api.peerWork) { () throws(Problem) -> Route.Outcome in
            let bytes: [UInt8]
            do {
                bytes = try call.node.tail(after: position, bytesMax: tailBytesMax)
            } catch LogError.notRetained {
                throw Problem(
                    410, "position-not-retained",
                    "This node's log does not go back to \(position.index).")
            } catch {
                throw .conflict(
                    "history-diverged", "The position is not one of this log: \(error)")
            }
            return .response(Response(status: 200, body: .bytes(bytes)))
        }
    }
}
