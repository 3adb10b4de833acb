import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// One key: its value as the bytes that it is.
enum KeyResource {
    static let path = "/v1/namespaces/{ns}/keys/{key}"

    static let routes: [Route] = [
        Route(.get, path, .namespaceRead, get),
        // Served by GET too; the contract has it apart.
        Route(.head, path, .namespaceRead, get),
        Route(
            .put, path, .namespaceWrite, body: .raw(bytesMax: StoredValue.bytesMax),
            query: ["ttl_seconds", "acks", "acks_durable", "timeout"],
            effect: .changes(needsSpace: true), put),
        Route(
            .patch, path, .namespaceWrite, body: .json(bytesMax: 4_096),
            effect: .changes(needsSpace: true), patch),
        Route(.delete, path, .namespaceWrite, effect: .changes(needsSpace: false), delete),
    ]

    /// More replicas than a cluster can have cannot be waited for.
    private static let acksMax = 127

    // MARK: - Reading

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let key = try readableKey(call)
        let engine = try call.engine()
        let state = engine.state
        let namespace = try call.namespace(state.catalog)
        let value: StoredValue?
        do throws(EngineError) {
            value = try engine.value(of: key, in: namespace)
        } catch {
            throw Problem(error)
        }
        guard let value else {
            throw Problem(Refusal.keyNotFound).with(
                header: Headers.index, "\(state.position.index)")
        }
        let etag = value.version.etag
        // The value may be newer than the state that was looked at before it.
        let index = max(state.position.index, value.version.index)
        let status = try statusOfRead(call, etag)
        return .response(
            Response(
                status: status,
                headers: safetyHeaders + expiryHeader(value) + [
                    ("ETag", etag), (Headers.index, "\(index)"),
                ],
                body: .bytes(value.bytes)))
    }

    private static func expiryHeader(_ value: StoredValue) -> [(name: String, value: String)] {
        value.expiry.map { [(Headers.expiresAt, $0.rfc3339)] } ?? []
    }

    /// The page lives on the same origin: whatever the bytes are, no browser may take them for more.
    private static let safetyHeaders: [(name: String, value: String)] = [
        ("Content-Type", "application/octet-stream"), ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
        ("Content-Disposition", "attachment"),
    ]

    /// 200, or 304 when the client has it already.
    private static func statusOfRead(_ call: Call, _ etag: String) throws(Problem) -> Int {
        if let wanted = try condition(call, "If-Match"), !wanted.matchesStrongly(etag) {
            throw Problem.preconditionFailed("The key has another ETag.").with(
                "etag", .string(etag))
        }
        let known = try condition(call, "If-None-Match")
        return known?.matchesWeakly(etag) ?? false ? 304 : 200
    }

    private static func condition(_ call: Call, _ header: String) throws(Problem) -> TagCondition? {
        try TagCondition.read(call.head.headers(named: header), header: header)
    }

    // MARK: - Writing

    private static func put(_ call: Call) throws(Problem) -> Route.Outcome {
        let key = try call.key()
        guard key.count <= Key.userKeyBytesMax else {
            throw .tooLarge(
                "A key has at most \(Key.userKeyBytesMax) bytes.", limitBytes: Key.userKeyBytesMax)
        }
        let seconds = try call.query.integer("ttl_seconds", in: 1...Lifetime.secondsMax)
        let change = WriteKeys(
            namespace: try call.namespaceName(), checks: try checks(call, key),
            writes: [
                .put(
                    key: key, value: call.request.body,
                    lifetime: seconds.map { .seconds($0) })
            ])
        return try call.commit(change, acks: try acks(call)) { committed in
            let index = (name: Headers.index, value: "\(committed.position.index)")
            switch committed.answer.first {
            case .created(let version):
                return Response(status: 201, headers: [("ETag", version.etag), index])
            case .replaced(let version):
                return Response(status: 204, headers: [("ETag", version.etag), index])
            case .deleted, .absent, .incremented, .appended, nil:
                fatalError("a put was answered with \(committed.answer)")
            }
        }
    }

    /// Another lifetime for a value that stays as it is; `null` takes it away.
    private static func patch(_ call: Call) throws(Problem) -> Route.Outcome {
        let key = try readableKey(call)
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["ttl_seconds"], faults)
        let lifetime = Lifetime.read(fields, isRequired: true)
        try faults.check()
        guard let lifetime else { throw .invalidArgument("ttl_seconds is missing.") }
        let change = WriteKeys(
            namespace: try call.namespaceName(), checks: try checks(call, key),
            writes: [.setLifetime(key: key, lifetime.duration)], mustHit: true)
        return try call.commit(change) { committed in
            guard case .replaced(let version) = committed.answer.first else {
                fatalError("another lifetime was answered with \(committed.answer)")
            }
            let index = "\(committed.position.index)"
            return Response(status: 204, headers: [("ETag", version.etag), (Headers.index, index)])
        }
    }

    private static func delete(_ call: Call) throws(Problem) -> Route.Outcome {
        let key = try readableKey(call)
        let change = WriteKeys(
            namespace: try call.namespaceName(), checks: try checks(call, key),
            writes: [.delete(key: key)], mustHit: true)
        return try call.commit(change, needsSpace: false) { committed in
            Response(status: 204, headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    /// What `If-Match` and `If-None-Match` ask for.
    private static func checks(_ call: Call, _ key: [UInt8]) throws(Problem) -> [KeyCheck] {
        var checks: [KeyCheck] = []
        switch try condition(call, "If-Match") {
        case nil: break
        case .any: checks.append(KeyCheck(key: key, expectation: .exists(true), operation: 0))
        case .tags(let tags):
            // A tag that is weak, or none of ours, matches nothing.
            let versions = tags.filter { !$0.isWeak }.compactMap { ValueVersion(etag: $0.text) }
            checks.append(KeyCheck(key: key, expectation: .versions(versions), operation: 0))
        }
        switch try condition(call, "If-None-Match") {
        case nil: break
        case .any: checks.append(KeyCheck(key: key, expectation: .exists(false), operation: 0))
        case .tags:
            throw .invalidArgument(
                "On a change If-None-Match can only be *: the key must be absent.")
        }
        return checks
    }

    /// With both numbers, so many replicas as the higher one says must have it on disk.
    private static func acks(_ call: Call) throws(Problem) -> AckDemand? {
        let applied = try call.query.integer("acks", in: 0...acksMax)
        let durable = try call.query.integer("acks_durable", in: 0...acksMax)
        let timeout = try call.query.duration("timeout", max: WaitHub.timeoutMax)
        let count = max(applied ?? 0, durable ?? 0)
        // A timeout alone is for the replicas that the topology wants.
        guard count > 0 || timeout != nil else { return nil }
        return AckDemand(
            count: count, durable: (durable ?? 0) > 0, timeout: timeout ?? Node.ackTimeout)
    }

    /// Of a read or a removal: a key that is too long is not there.
    private static func readableKey(_ call: Call) throws(Problem) -> [UInt8] {
        let key = try call.key()
        guard key.count <= Key.userKeyBytesMax else {
            throw .notFound("There is no such key: keys have at most \(Key.userKeyBytesMax) bytes.")
        }
        return key
    }
}

extension Call {
    /// The key that the path names: all that is behind `/keys/`, decoded once.
    func key() throws(Problem) -> [UInt8] {
        guard let before = route.template.segmentsBeforeRest,
            let key = head.path(afterSegments: before), !key.isEmpty
        else {
            throw .invalidArgument("The key is empty. Keys have 1 to \(Key.userKeyBytesMax) bytes.")
        }
        return key
    }
}
