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
    ///
    /// Without leave to lose data it is asked again when it was refused for who was not heard: each
    /// has half a second to answer, which is too short at times on a busy machine.
    public func becomePrimary(_ name: String, acceptDataLoss: Bool = false) throws {
        let deadline = MonotonicTime.now() + .seconds(30)
        while try !tryToBecomePrimary(name, acceptDataLoss, isLast: .now() > deadline) {
            rest(.milliseconds(200))
        }
        guard try node().role == "primary" else {
            throw ClusterFailure("\(name) is not primary though its operation is done")
        }
    }

    /// False when it is to be asked again, which it is not with `isLast`.
    private func tryToBecomePrimary(
        _ name: String, _ acceptDataLoss: Bool, isLast: Bool
    ) throws -> Bool {
        let mayWait = !acceptDataLoss && !isLast
        let begun = try failOver(to: name, acceptDataLoss: acceptDataLoss)
        if mayWait, begun.problem == "data-loss-possible" { return false }
        guard let operation = try begun.expecting(202)["id"]?.stringValue else {
            throw ClusterFailure("no operation id in \(begun)")
        }
        let ended = try ask(
            "GET", "/v1/operations/\(operation)?wait=done&timeout=45s", waiting: .seconds(45))
        let passing = ["data-loss-possible", "topology-changed"]
        if mayWait, ended.problem == "operation-failed",
            passing.contains(where: { ended.text.contains($0) })
        {
            return false
        }
        try ended.expecting(200)
        return true
    }

    /// Hands over to `heir`, blocks until it reigns, and answers the operation; sent to the primary
    /// `old`, as the heir may not know of it yet. Asked again when it was refused or given up, as on a
    /// machine too busy for its deadlines: that changes nothing.
    @discardableResult
    public func switchOver(from old: String, to heir: String) throws -> JSONValue {
        let body: JSONValue = ["from": .string(old), "to": .string(heir)]
        return try poll(within: .seconds(40), every: .milliseconds(200), for: "\(heir) takes over")
        {
            () -> JSONValue? in
            let begun = try post("/v1/topology/switchover", body)
            if begun.status == 409 { return nil }
            guard let operation = try begun.expecting(202)["id"]?.stringValue else {
                throw ClusterFailure("no operation id in \(begun)")
            }
            let ended = try ask(
                "GET", "/v1/operations/\(operation)?wait=done&timeout=45s", waiting: .seconds(45))
            if ended.problem == "operation-failed" { return nil }
            return try ended.expecting(200).json
        }
    }

    /// Asks this node, the primary, to take in the node at `address`. Asked again when that one was
    /// not reached in the three seconds that the primary gives it: nothing was done then.
    public func addNode(
        at address: String, options: JSONObject = JSONObject()
    ) throws -> TestAnswer {
        var body = options
        body["address"] = .string(address)
        let deadline = MonotonicTime.now() + .seconds(30)
        while true {
            let answer = try post("/v1/nodes", .object(body))
            guard answer.problem == "node-unreachable", MonotonicTime.now() < deadline else {
                return answer
            }
            rest(.milliseconds(200))
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
