import Engine
import HTTPServer
import JSON
import Platform

/// Reading namespaces.
enum NamespaceResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/namespaces", .namespaceInfo,
            query: ["prefix", "in_trouble", "sort", "order", "page_size", "page_token"], list),
        Route(.get, "/v1/namespaces/{ns}", .namespaceInfo, get),
    ]

    /// With more of them it takes too long, to look at all, for an HTTP thread.
    private static let namespacesQuick = 2_000

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try NamespacePage(call.query)
        let catalog = try call.engine().state.catalog
        if let id = call.caller.namespace {
            let own = catalog.namespace(id).map { [$0] } ?? []
            let items = own.filter {
                page.listing.after == nil && $0.record.name.rawValue.hasPrefix(page.listing.prefix)
                    && (!page.listing.isInTrouble || !$0.trouble.isEmpty)
            }
            return .response(.json(Page.json(items.map(\.json), next: nil)))
        }
        guard page.listing.looksAtAll, catalog.namespaceCount > namespacesQuick else {
            return .response(.json(page.json(catalog)))
        }
        return try call.later(on: call.api.parsing) { .response(.json(page.json(catalog))) }
    }

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let namespace = try call.namespace(try call.engine().state.catalog)
        return .response(.json(namespace.json))
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

    /// The namespace that the path names, if it is still the one that the caller's token opens: a name may
    /// have come to mean another one since the request was let in.
    func namespace(_ catalog: Catalog) throws(Problem) -> Namespace {
        let name = try namespaceName()
        guard let namespace = catalog.namespace(named: name),
            caller.namespace.map({ $0 == namespace.record.id }) ?? true
        else { throw Problem(Refusal.namespaceNotFound(name)) }
        return namespace
    }
}

extension Namespace {
    var json: JSONValue { record.json(self) }
}

extension NamespaceRecord {
    /// With what it holds and gets; nil for one that has just been made.
    func json(_ namespace: Namespace?) -> JSONValue {
        let usage = namespace?.currentUsage ?? Usage()
        let now = MonotonicTime.now()
        return [
            "name": .string(name.rawValue), "id": JSONValue(id.rawValue),
            "keys": JSONValue(usage.keys), "bytes": JSONValue(usage.bytes),
            "quota_keys": .orNull(quotaKeys), "quota_bytes": .orNull(quotaBytes),
            "soft_quota_keys": .orNull(softQuotaKeys),
            "soft_quota_bytes": .orNull(softQuotaBytes),
            "max_requests_per_second": .orNull(requestsPerSecondMax),
            "read_only": .bool(isReadOnly), "created_at": .string(createdAt.rfc3339),
            "state": "active",
            "warnings": .array(
                (namespace?.exceededSoftQuotas ?? []).words.map { .string($0) }),
            "trouble": .array((namespace?.trouble ?? []).words.map { .string($0) }),
            "trouble_since": .orNull(namespace?.troubleSince?.rfc3339),
            "reads_per_second": .rate(namespace?.traffic.readsPerSecond(at: now) ?? 0),
            "writes_per_second": .rate(namespace?.traffic.writesPerSecond(at: now) ?? 0),
            "last_write_at": .orNull(namespace?.lastWriteAt?.rfc3339),
        ]
    }
}

extension JSONValue {
    /// To a thousandth.
    fileprivate static func rate(_ rate: Double) -> JSONValue {
        .number((rate * 1_000).rounded() / 1_000)
    }
}
