public import JSON
import Platform

/// What changes who follows whom.
extension TestClient {
    /// Asks this node to become primary.
    public func failOver(to name: String, acceptDataLoss: Bool = false) throws -> TestAnswer {
        var body: JSONObject = ["to": .string(name), "reason": "a test"]
        if acceptDataLoss { body["accept_data_loss"] = true }
        return try post("/v1/topology/failover", .object(body))
    }

    /// Makes this node primary; blocks until it is, and throws when it does not become it.
    public func becomePrimary(_ name: String, acceptDataLoss: Bool = false) throws {
        let begun = try failOver(to: name, acceptDataLoss: acceptDataLoss).expecting(202)
        guard let operation = begun["id"]?.stringValue else {
            throw ClusterFailure("no operation id in \(begun)")
        }
        try waitUntilDone(operation)
        guard try node().role == "primary" else {
            throw ClusterFailure("\(name) is not primary though its operation is done")
        }
    }

    /// Asks this node to follow `upstream`, whatever is configured.
    public func claim(_ upstream: String) throws -> TestAnswer {
        try ask(
            "PATCH", "/v1/nodes/self", json: ["upstream": .string(upstream), "claim": true])
    }

    /// How fast this node may receive a full sync; nil: as it was started.
    public func limitFullSync(_ bytesPerSecond: Int?, of name: String = "self") throws -> TestAnswer
    {
        try ask(
            "PATCH", "/v1/nodes/\(name)",
            json: [
                "full_sync_max_bytes_per_second": bytesPerSecond.map { JSONValue($0) } ?? .null
            ])
    }

    /// The links that run at this node.
    public func links() throws -> [JSONValue] {
        try get("/v1/links").expecting(200)["items"]?.arrayValue ?? []
    }

    public func link(from source: String, to replica: String) throws -> JSONValue? {
        try links().first {
            $0["source"]?.stringValue == source && $0["replica"]?.stringValue == replica
        }
    }

    /// Replaces the topology by what `change` makes of it.
    @discardableResult
    public func changeTopology(
        isDryRun: Bool = false, _ change: (inout JSONObject) -> Void
    ) throws -> TestAnswer {
        let got = try get("/v1/topology").expecting(200)
        guard var document = got.json.objectValue, let etag = got.etag else {
            throw ClusterFailure("not a topology: \(got)")
        }
        for name in ["generation", "term", "changed_at", "changed_by", "reason"] {
            document[name] = nil
        }
        change(&document)
        return try ask(
            "PUT", isDryRun ? "/v1/topology?dry_run=true" : "/v1/topology",
            json: .object(document), headers: [("If-Match", etag)]
        ).expecting(200)
    }
}
