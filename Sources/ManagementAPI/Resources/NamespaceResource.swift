import Engine
import HTTPServer
import JSON
import Platform

/// Reading namespaces.
enum NamespaceResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/namespaces", .namespaceInfo, query: ["prefix", "page_size", "page_token"],
            list),
        Route(.get, "/v1/namespaces/{ns}", .namespaceInfo, get),
    ]

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .namespaces)
        let prefix = call.query.text("prefix") ?? ""
        let catalog = try call.engine().state.catalog
        if let id = call.caller.namespace {
            let own = catalog.namespaces[id].map { [$0] } ?? []
            let items = own.filter {
                page.after == nil && $0.record.name.rawValue.hasPrefix(prefix)
            }
            return .response(
                .json(Page.json(items.map { $0.record.json($0.currentUsage) }, next: nil)))
        }
        let after = page.after.map { String(decoding: $0, as: UTF8.self) }
        let found = catalog.namespaces(after: after, prefix: prefix, countMax: page.size + 1)
        let (items, next) = Page.cut(found, size: page.size, .namespaces) {
            Array($0.record.name.rawValue.utf8)
        }
        return .response(
            .json(Page.json(items.map { $0.record.json($0.currentUsage) }, next: next)))
    }

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let namespace = try call.namespace(try call.engine().state.catalog)
        return .response(.json(namespace.record.json(namespace.currentUsage)))
    }
}

extension Call {
    /// The namespace's name that the path has. A name that breaks the rules is of none.
    func namespaceName() throws(Problem) -> NamespaceName {
        guard let name = NamespaceName(rawValue: parameter("ns")) else {
            throw .notFound("There is no such namespace: \(NamespaceName.rule).")
        }
        return name
    }

    /// The namespace that the path names.
    func namespace(_ catalog: Catalog) throws(Problem) -> Namespace {
        let name = try namespaceName()
        guard let namespace = catalog.namespace(named: name) else {
            throw Problem(Refusal.namespaceNotFound(name))
        }
        return namespace
    }
}

extension NamespaceRecord {
    func json(_ usage: Usage) -> JSONValue {
        [
            "name": .string(name.rawValue), "id": JSONValue(id.rawValue),
            "keys": JSONValue(usage.keys), "bytes": JSONValue(usage.bytes),
            "quota_keys": .orNull(quotaKeys), "quota_bytes": .orNull(quotaBytes),
            "read_only": .bool(isReadOnly), "created_at": .string(createdAt.rfc3339),
            "state": "active",
        ]
    }
}
