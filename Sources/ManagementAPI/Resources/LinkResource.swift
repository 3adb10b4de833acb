import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// Every link that really runs at either end here, configured or not.
enum LinkResource {
    static let routes: [Route] = [Route(.get, "/v1/links", .clusterRead, list)]

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let node = call.node
        var items = node.source.links().map { json($0, at: node) }
        if let status = node.upstreamStatus { items.append(json(status, at: node)) }
        return .response(
            .json(["items": .array(items), "retention": .array(retention(at: node))]))
    }

    /// Of every configured replica of this node, also of those that no link runs with.
    private static func retention(at node: Node) -> [JSONValue] {
        node.reports().compactMap { report in
            guard let retention = report.retention?.json.objectValue else { return nil }
            var item: JSONObject = ["replica": .string(report.name)]
            for (name, value) in retention.members { item[name] = value }
            return .object(item)
        }
    }

    /// This node is the source.
    private static func json(_ link: LinkStatus, at node: Node) -> JSONValue {
        let document = node.document
        let own = node.peerIdentity.number
        let upstream = document?.upstream(of: link.replica)
        return [
            "id": .string(link.id), "source": .string(node.name.rawValue),
            "replica": .string(
                document?.node(numbered: link.replica)?.name.rawValue ?? link.replicaName),
            "configured": .bool(upstream != nil && upstream == own),
            "state": .string(link.state.rawValue), "since": .string(link.since.wallClock.rfc3339),
            "last_progress_at": .string(link.lastProgressAt.wallClock.rfc3339),
            "sent_index": .orNull(link.sent?.rawValue),
            "acked_index": .orNull(link.acked?.rawValue),
            "lag": link.lag.map { lag in
                [
                    "entries": JSONValue(lag.entries), "bytes": JSONValue(lag.bytes),
                    "seconds": .number(lag.seconds),
                ]
            } ?? .null,
            "headroom_seconds": .orNull(link.headroomSeconds),
            "full_sync_needed": .orNull(
                link.needsFullSync ? FullSyncReason.positionNotRetained.rawValue : nil),
            "attempt": .null,
            "last_error": .orNull(link.trouble),
            "last_error_code": .orNull(link.trouble == nil ? nil : code(of: link)),
        ]
    }

    /// Of what a link suffers from at its source.
    private static func code(of link: LinkStatus) -> String {
        link.needsFullSync ? FullSyncReason.positionNotRetained.rawValue : "stalled"
    }

    /// This node is the replica.
    private static func json(_ status: ReplicaStatus, at node: Node) -> JSONValue {
        let own = node.peerIdentity.number
        let report = node.report()
        let wanted = own.flatMap { node.document?.upstream(of: $0) }
        return [
            "id": .string(status.id), "source": .string(status.upstream.name.rawValue),
            "replica": .string(node.name.rawValue),
            "configured": .bool(wanted == status.upstream.number),
            "state": .string(status.state.rawValue),
            "since": .string(status.since.wallClock.rfc3339),
            "last_progress_at": .string(status.lastProgressAt.wallClock.rfc3339),
            "sent_index": .null,
            "acked_index": .orNull(report.position?.index.rawValue),
            "lag": report.lag?.json ?? .null,
            "headroom_seconds": .null,
            "full_sync_needed": .orNull(status.fullSync?.reason.rawValue),
            "attempt": JSONValue(status.attempt),
            "last_error": .orNull(report.lastError?.text),
            "last_error_code": .orNull(report.lastError?.code),
        ]
    }
}
