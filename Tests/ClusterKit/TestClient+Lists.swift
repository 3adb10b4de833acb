public import JSON

/// Whole lists and many values.
extension TestClient {
    /// All items, page by page.
    public func list(_ path: String, pageSize: Int = 1000) throws -> [JSONValue] {
        var items: [JSONValue] = []
        var token: String?
        repeat {
            let joint = path.contains("?") ? "&" : "?"
            let next = token.map { "&page_token=\($0)" } ?? ""
            let page = try get("\(path)\(joint)page_size=\(pageSize)\(next)").expecting(200).json
            guard let more = page["items"]?.arrayValue else {
                throw ClusterFailure("no items in \(path)")
            }
            items += more
            token = page["next_page_token"]?.stringValue
        } while token != nil
        return items
    }

    /// What is the same of a namespace on every node: not how often a node itself is asked for it.
    public static func replicated(_ namespace: JSONValue) -> JSONValue {
        var members = namespace.objectValue ?? JSONObject()
        for name in ["reads_per_second", "writes_per_second"] { members[name] = nil }
        return .object(members)
    }

    public func namespaceNames() throws -> [String] {
        try list("/v1/namespaces").compactMap { $0["name"]?.stringValue }
    }

    public func nodeNames() throws -> [String] {
        let items = try get("/v1/nodes").expecting(200)["items"]?.arrayValue ?? []
        return items.compactMap { $0["name"]?.stringValue }
    }

    public func listKeys(in namespace: String) throws -> [ListedKey] {
        try list("\(Path.namespace(namespace))/keys").map { try ListedKey($0) }
    }

    /// The value of each key in turn; nil where there is none.
    public func values(
        of keys: [[UInt8]], in namespace: String, threads: Int = 4
    ) throws -> [[UInt8]?] {
        try Parallel.map(keys, threads: max(1, min(threads, keys.count))) { key in
            let answer = try get(Path.key(key, in: namespace)).expecting(200, 404)
            return answer.status == 200 ? answer.body : nil
        }
    }
}
