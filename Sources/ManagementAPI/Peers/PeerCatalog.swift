import Engine
import HTTPServer
import JSON
import Node
import Replication

/// `/replication/catalog` and `/replication/catalog/{part}`: what a node whose catalog is not its primary's
/// asks, to find out which namespaces differ.
enum PeerCatalog {
    static let routes: [Route] = [
        .peer(.get, "/replication/catalog", sums),
        .peer(.get, "/replication/catalog/{part}", part),
    ]

    private static func sums(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        try call.checkMember(peer)
        let state = try call.engine().state
        // Looking at all namespaces takes too long for an HTTP thread.
        return try call.later(on: call.api.parsing) {
            .response(.json(CatalogSums(of: state).json))
        }
    }

    private static func part(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        try call.checkMember(peer)
        let state = try call.engine().state
        guard let part = Int(call.parameter("part")), (0..<Catalog.digestParts).contains(part)
        else {
            throw .notFound("A catalog has the parts 0 to \(Catalog.digestParts - 1).")
        }
        return try call.later(on: call.api.parsing) {
            .response(.json(CatalogPart(part, of: state).json))
        }
    }
}
