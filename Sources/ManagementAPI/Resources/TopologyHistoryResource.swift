import Engine
import HTTPServer
import JSON
import Platform
import Topology

/// Who changed the topology, when, why, and what: the documents of the last thousand generations, each
/// with its difference from the one before.
enum TopologyHistoryResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/topology/history", .clusterRead, query: ["page_size", "page_token"], list),
        Route(.get, "/v1/topology/history/{generation}", .clusterRead, get),
    ]

    /// The newest first.
    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .generations)
        let catalog = try call.engine().state.catalog
        var generations = catalog.generations
        if let after = page.after {
            guard let last = UInt64(String(decoding: after, as: UTF8.self)) else {
                throw .invalidArgument("page_token is not one of this list.")
            }
            generations = generations.filter { $0.rawValue < last }
        }
        let (items, next) = Page.cut(
            Array(generations.prefix(page.size + 1)), size: page.size, .generations
        ) { Array("\($0)".utf8) }
        return .response(
            .json(Page.json(items.compactMap { json($0, catalog) }, next: next)))
    }

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let catalog = try call.engine().state.catalog
        let text = call.parameter("generation")
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let document = UInt64(text).flatMap({ json(Generation($0), catalog) })
        else {
            throw .notFound(
                "There is no such generation, or it is kept no more: the last \(ChangeTopology.historyMax) are."
            )
        }
        return .response(.json(document))
    }

    private static func json(_ generation: Generation, _ catalog: Catalog) -> JSONValue? {
        guard let document = catalog.topology(of: generation),
            var members = document.json.objectValue
        else { return nil }
        let older = catalog.generations.first { $0 < generation }
            .flatMap { catalog.topology(of: $0) }
        members["difference"] =
            older.map { .array(document.differences(from: $0).map(\.json)) } ?? .null
        return .object(members)
    }
}

extension TopologyDifference {
    fileprivate var json: JSONValue {
        [
            "what": .string(what.rawValue), "node": .orNull(node),
            "before": before?.json ?? .null, "after": after?.json ?? .null,
        ]
    }
}

extension TopologyDifference.Value {
    fileprivate var json: JSONValue {
        switch self {
        case .text(let text): .string(text)
        case .number(let number): JSONValue(number)
        }
    }
}
