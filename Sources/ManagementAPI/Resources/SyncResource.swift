import Engine
import HTTPServer
import JSON
import Node

/// Whether data is safe, and a place in the log to wait for.
enum SyncResource {
    static let routes: [Route] = [
        Route(.get, "/v1/sync", .clusterRead, query: WaitRequest.parameters, get),
        Route(
            .post, "/v1/barriers", .topologyWrite, effect: .changes(needsSpace: false),
            appendBarrier
        ),
    ]

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        try call.answer(.sync, admitted: "in_sync, in_sync>=N, converged and generation>=N") {
            seen in
            var sync = seen ?? call.node.sync()
            sync.nodes = call.node.explained(sync.nodes)
            return sync.json(call.node.verdict(sync))
        }
    }

    private static func appendBarrier(_ call: Call) throws(Problem) -> Route.Outcome {
        try call.commit(Barrier(), needsSpace: false) { .position($0.position) }
    }
}
