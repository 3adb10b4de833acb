import Access
import Engine
import HTTPServer
import JSON
import Log
import Node

/// Making, changing, emptying and removing namespaces.
enum NamespaceChanges {
    static let routes: [Route] = [
        Route(
            .post, "/v1/namespaces", .namespacesWrite, body: body,
            effect: .changes(needsSpace: true), create),
        Route(
            .post, "/v1/namespaces/batch", .namespacesWrite, body: body,
            effect: .changes(needsSpace: true), createMany),
        Route(
            .patch, "/v1/namespaces/{ns}", .namespacesWrite, body: body,
            effect: .changes(needsSpace: false), change),
        Route(
            .delete, "/v1/namespaces/{ns}", .namespacesWrite, query: [DryRun.parameter],
            effect: .changes(needsSpace: false), remove),
        Route(
            .post, "/v1/namespaces/{ns}/flush", .namespaceWrite, query: [DryRun.parameter],
            effect: .changes(needsSpace: false), isManagement: true, flush),
    ]

    private static let body = Route.BodyRule.json(bytesMax: Route.BodyRule.jsonBytesMax)
    private static let nameRule =
        "a namespace's name: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit; not batch"
    private static let limitFields = [
        "quota_keys", "quota_bytes", "soft_quota_keys", "soft_quota_bytes",
        "max_requests_per_second",
    ]
    /// What JSON readers hold exactly.
    private static let quotaMax = 1 << 53 - 1
    /// More a node does not serve anyway.
    private static let requestsPerSecondMax = 1_000_000

    private static func create(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["name"] + limitFields, faults)
        let name = self.name(fields, isRequired: true)
        let limits = Limits(fields)
        try faults.check()
        guard let name else { throw .validationFailed(faults.faults) }
        let token = Token(kind: .namespace)
        let seed = limits.seed(name, token)
        let late = call.whenLate("token", .string(token.text))
        return try call.commit(CreateNamespaces([seed]), refused: late) { committed in
            var document = committed.answer[0].json(nil).objectValue ?? [:]
            document["token"] = .string(token.text)
            return .json(
                .object(document), status: 201,
                headers: [
                    ("Location", "/v1/namespaces/\(name)"),
                    (Headers.index, "\(committed.position.index)"),
                ])
        }
    }

    private static func createMany(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["create"], faults)
        let list = fields.list("create", count: 1...CreateNamespaces.countMax, isRequired: true)
        var known: Set<NamespaceName> = []
        let wanted = (list ?? []).compactMap { item -> (name: NamespaceName, limits: Limits)? in
            let fields = Fields(
                item.value, at: item.pointer, allowing: ["name"] + limitFields, faults)
            let name = name(fields, isRequired: true)
            let limits = Limits(fields)
            if let name, !known.insert(name).inserted {
                faults.report(
                    item.pointer + "/name", "duplicate",
                    "\(name) stands in this list already. Nothing was done.")
            }
            return name.map { ($0, limits) }
        }
        try faults.check()
        // Ten thousand tokens take a while to make.
        return try call.later(on: call.api.parsing) { () throws(Problem) -> Route.Outcome in
            let tokens = wanted.map { _ in Token(kind: .namespace) }
            let seeds = zip(wanted, tokens).map { $0.limits.seed($0.name, $1) }
            let shown = zip(wanted, tokens).map { wanted, token -> JSONValue in
                ["name": .string(wanted.name.rawValue), "token": .string(token.text)]
            }
            let late = call.whenLate("items", .array(shown))
            return try call.commit(CreateNamespaces(seeds), isLarge: true, refused: late) {
                committed in
                let items = zip(committed.answer, tokens).map { record, token -> JSONValue in
                    [
                        "name": .string(record.name.rawValue), "id": JSONValue(record.id.rawValue),
                        "token": .string(token.text),
                    ]
                }
                return .json(
                    ["items": .array(items)], status: 201,
                    headers: [(Headers.index, "\(committed.position.index)")])
            }
        }
    }

    private static func change(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(), allowing: ["name"] + limitFields + ["read_only"], faults)
        var change = UpdateNamespace(name: try call.namespaceName())
        if fields.isEmpty { faults.report("", "missing", "Name what to change.") }
        if let name = name(fields, isRequired: false) { change.newName = .set(name) }
        let limits = Limits(fields)
        if let limit = limits.keys { change.quotaKeys = .set(limit) }
        if let limit = limits.bytes { change.quotaBytes = .set(limit) }
        if let limit = limits.softKeys { change.softQuotaKeys = .set(limit) }
        if let limit = limits.softBytes { change.softQuotaBytes = .set(limit) }
        if let limit = limits.requestsPerSecond { change.requestsPerSecondMax = .set(limit) }
        if let isReadOnly = fields.flag("read_only") { change.isReadOnly = .set(isReadOnly) }
        try faults.check()
        return try call.commit(change, needsSpace: false) { committed in
            let record = committed.answer
            let namespace = call.node.engine?.state.catalog.namespace(record.id)
            return .json(
                record.json(namespace),
                headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    private static func remove(_ call: Call) throws(Problem) -> Route.Outcome {
        let change = DeleteNamespace(name: try call.namespaceName())
        if try call.isDryRun() {
            return .response(DryRun.answer(try NamespacePlan.delete(change, call)))
        }
        return try call.commit(change, needsSpace: false) {
            .position($0.position)
        }
    }

    private static func flush(_ call: Call) throws(Problem) -> Route.Outcome {
        let change = FlushNamespace(name: try call.namespaceName())
        if try call.isDryRun() {
            return .response(DryRun.answer(try NamespacePlan.flush(change, call)))
        }
        return try call.commit(change, needsSpace: false) {
            .position($0.position)
        }
    }

    private static func name(_ fields: Fields, isRequired: Bool) -> NamespaceName? {
        fields.parsed("name", isRequired: isRequired, nameRule) {
            NamespaceName(rawValue: $0)
        }
    }

    /// Outer nil: the field is not there. Inner nil: no limit.
    private struct Limits: Sendable {
        let keys: UInt64??
        let bytes: UInt64??
        let softKeys: UInt64??
        let softBytes: UInt64??
        let requestsPerSecond: UInt64??

        init(_ fields: Fields) {
            func limit(_ name: String, _ range: ClosedRange<Int>) -> UInt64?? {
                guard fields.has(name) else { return nil }
                if fields.isNil(name) { return .some(nil) }
                return fields.integer(name, in: range).map { .some(UInt64($0)) }
            }
            let quotas = 0...quotaMax
            keys = limit("quota_keys", quotas)
            bytes = limit("quota_bytes", quotas)
            softKeys = limit("soft_quota_keys", quotas)
            softBytes = limit("soft_quota_bytes", quotas)
            requestsPerSecond = limit("max_requests_per_second", 1...requestsPerSecondMax)
        }

        /// Of a namespace that has these from the start.
        func seed(_ name: NamespaceName, _ token: Token) -> NamespaceSeed {
            NamespaceSeed(
                name: name, quotaKeys: keys ?? nil, quotaBytes: bytes ?? nil,
                softQuotaKeys: softKeys ?? nil, softQuotaBytes: softBytes ?? nil,
                requestsPerSecondMax: requestsPerSecond ?? nil, token: token.seed)
        }
    }
}

extension Call {
    /// The problem of a change that makes secrets: when it is made, and only its acknowledgements are
    /// late, they are shown all the same, for they are shown once.
    fileprivate func whenLate(
        _ name: String, _ secrets: JSONValue
    ) -> @Sendable (ChangeFailure) -> Problem {
        { failure in
            let problem = problem(failure)
            guard case .acksTimeout = failure else { return problem }
            return problem.with(name, secrets)
        }
    }
}
