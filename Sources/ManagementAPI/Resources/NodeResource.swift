import JSON
import HTTPServer
import Node
import Topology

/// What each node is, as far as this one knows. 200 in every state.
enum NodeResource {
    static let routes: [Route] = [
        Route(.get, "/v1/nodes", .clusterRead, list),
        Route(.get, "/v1/nodes/{name}", .clusterRead, query: WaitRequest.parameters, get),
    ]

    /// The node that is asked.
    static let selfName = "self"

    /// All of them: a cluster has 128 at most.
    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let reports = call.node.explained(call.node.reports()).sorted { $0.name < $1.name }
        return .response(.json(Page.json(reports.map(\.json), next: nil)))
    }

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let name = call.parameter("name")
        let admitted = "applied>=N and state=streaming"
        let object = { @Sendable (seen: SyncReport?) in call.report(of: name, in: seen)?.json }
        if object(nil) == nil, NodeName(name) != nil {
            // Its predicates are held against what this node knows, as soon as it does.
            return try call.askPeers(
                about: .node(name), "/replication/nodes/\(name)", admitted: admitted, object: object
            ) { _ in .unmet }
        }
        return try call.answer(.node(name), admitted: admitted, object)
    }
}

extension Call {
    /// As it was when all of them were seen, or as it is now.
    func report(of name: String, in seen: SyncReport? = nil) -> NodeReport? {
        let name = name == NodeResource.selfName ? node.name.rawValue : name
        if seen == nil, name == node.name.rawValue { return node.explained(node.report()) }
        return (seen?.nodes ?? node.reports()).first { $0.name == name }.map { node.explained($0) }
    }

    /// The member of the cluster that the path names.
    func member() throws(Problem) -> NodeRecord {
        let text = parameter("name")
        let name = text == NodeResource.selfName ? node.name : NodeName(text)
        guard let record = name.flatMap({ node.document?.node(named: $0) }) else {
            throw .notFound("There is no such node in the topology. GET /v1/nodes lists them.")
        }
        return record
    }
}
