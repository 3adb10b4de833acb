public import JSON
import Platform

/// What the product lets its clients wait for. Each blocks, and throws when it does not come in time.
extension TestClient {
    /// Until everything is in sync, and the replicas have applied what the primary had by then: one
    /// that is less than a second behind is in sync, too.
    @discardableResult
    public func waitUntilInSync(within seconds: Int = 40) throws -> JSONValue {
        let sync = try wait("/v1/sync?wait=in_sync&wait=converged", seconds)
        guard let position = PositionView(sync["position"]) else { return sync }
        for item in sync["nodes"]?.arrayValue ?? [] {
            let node = NodeView(item)
            guard node.configuredRole == "replica", let name = node.name else { continue }
            try waitUntilApplied(position.index, at: name, within: seconds)
        }
        return sync
    }

    @discardableResult
    public func waitUntilDone(_ operation: String, within seconds: Int = 45) throws -> JSONValue {
        try wait("/v1/operations/\(operation)?wait=done", seconds)
    }

    /// Until the node has applied the entry at `index`.
    @discardableResult
    public func waitUntilApplied(
        _ index: UInt64, at node: String = "self", within seconds: Int = 40
    ) throws -> NodeView {
        NodeView(try wait("/v1/nodes/\(node)?wait=applied:\(index)", seconds))
    }

    @discardableResult
    public func waitUntilState(
        _ state: String, of node: String = "self", within seconds: Int = 40
    ) throws -> NodeView {
        NodeView(try wait("/v1/nodes/\(node)?wait=state=\(state)", seconds))
    }

    private func wait(_ path: String, _ seconds: Int) throws -> JSONValue {
        // A token that was just made is not known everywhere yet.
        try poll(within: .seconds(seconds), every: .milliseconds(200), for: "the token is known") {
            let answer = try ask("GET", "\(path)&timeout=\(seconds)s", waiting: .seconds(seconds))
            return answer.status == 401 && token != nil ? nil : try answer.expecting(200).json
        }
    }

    public func node(_ name: String = "self") throws -> NodeView {
        NodeView(try get("/v1/nodes/\(name)").expecting(200).json)
    }

    /// Appends an empty entry and answers its index.
    public func barrier() throws -> UInt64 {
        let answer = try post("/v1/barriers").expecting(200)
        guard let position = PositionView(answer["position"]) else {
            throw ClusterFailure("no position in \(answer)")
        }
        return position.index
    }

    /// Makes a namespace and answers its token.
    public func createNamespace(_ name: String) throws -> String {
        let answer = try post("/v1/namespaces", ["name": .string(name)]).expecting(201)
        guard let token = answer["token"]?.stringValue else {
            throw ClusterFailure("no token in the answer to the creation of \(name)")
        }
        return token
    }

    /// Writes all of them in batches, and answers the index of the last entry.
    @discardableResult
    public func load(
        _ records: [(key: String, value: [UInt8])], into namespace: String, batch: Int = 1000
    ) throws -> UInt64? {
        var index: UInt64?
        for start in stride(from: 0, to: records.count, by: batch) {
            let part = records[start..<min(start + batch, records.count)]
            let operations: [JSONValue] = part.map { record in
                var operation: JSONObject = ["op": "put", "key": .string(record.key)]
                if let text = String(validating: record.value, as: UTF8.self) {
                    operation["value"] = .string(text)
                } else {
                    operation["value_base64"] = .string(Base64.encode(record.value))
                }
                return .object(operation)
            }
            let answer = try post(
                "\(Path.namespace(namespace))/batch", ["operations": .array(operations)]
            ).expecting(200)
            index = PositionView(answer["position"])?.index
        }
        return index
    }
}
