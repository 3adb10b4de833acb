import HTTPServer
import JSON
import Node
import Platform
import Topology

/// Where what runs differs from what is configured.
enum DriftResource {
    static let routes: [Route] = [Route(.get, "/v1/topology/drift", .clusterRead, get)]

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let drift = call.node.driftReport()
        return .response(
            .json([
                "converged": .bool(drift.isConverged),
                "unseen": .array(drift.unseen.map { .string($0.rawValue) }),
                "items": .array(
                    drift.items.map { item, since in
                        [
                            "kind": .string(item.kind.rawValue), "node": .string(item.node),
                            "since": .string(since.rfc3339),
                            "detail": .string(Sentence.of(item.detail)),
                            "action": .string(Sentence.of(item.action)),
                        ]
                    }),
            ]))
    }
}
