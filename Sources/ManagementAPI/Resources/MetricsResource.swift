import Engine
import HTTPServer
import Node
import Platform
import Replication
import Topology

/// `/metrics`, as Prometheus reads it. From published values, like every status.
enum MetricsResource {
    static let path = "/metrics"

    static let routes: [Route] = [Route(.get, path, .clusterRead, isHealth: true, get)]

    /// With more namespaces it takes too long, to find the largest, for an HTTP thread.
    private static let namespacesQuick = 2_000

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let catalog = call.node.engine?.state.catalog
        guard let catalog, catalog.namespaceCount > namespacesQuick else {
            return .response(answer(call, catalog))
        }
        return try call.later(on: call.api.parsing) { .response(answer(call, catalog)) }
    }

    private static func answer(_ call: Call, _ catalog: Catalog?) -> Response {
        var text = MetricsText()
        let (report, sync) = (call.node.report(), call.node.sync())
        text.addNode(call.node, report, sync, version: call.api.settings.version)
        text.addReplication(call.node, report, sync)
        text.addStorage(call.node)
        // Their names are for those who may list them.
        if let catalog, !call.api.settings.opensMetrics { text.addNamespaces(catalog) }
        text.addRequests(call.api)
        text.addProcess(.now())
        return Response(
            status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
            body: .bytes(text.bytes))
    }
}
