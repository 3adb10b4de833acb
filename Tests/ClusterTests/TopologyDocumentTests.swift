import ClusterKit
import JSON
import Testing

/// The configured document: read, given back, changed.
@Suite(.cluster) struct TopologyDocumentTests {
    /// Test C, step 3: 412 and 428.
    @Test(.timeLimit(.minutes(2)))
    func `a document is only replaced by who has seen it`() throws {
        let cluster = try TestCluster(nodes: 3)
        let client = cluster.primary.client
        let got = try client.get("/v1/topology")
        let etag = try #require(got.etag)
        let document = got.json
        #expect(document["primary"] == "n1")
        #expect(
            document["replicas"]
                == [["node": "n2", "upstream": "n1"], ["node": "n3", "upstream": "n1"]])
        func put(_ document: JSONValue, _ etag: String?) throws -> TestAnswer {
            try client.ask(
                "PUT", "/v1/topology", json: document,
                headers: etag.map { [("If-Match", $0)] } ?? [])
        }
        let missing = try put(document, nil)
        #expect(missing.status == 428)
        #expect(missing.problem == "precondition-required")
        let same = try put(document, etag)
        #expect(same.status == 200, "\(same)")
        #expect(same.etag == etag)
        #expect(try client.get("/v1/topology").etag == etag)
        // A machine that stands still for three seconds breaks links by itself, but not each time.
        try poll(within: .seconds(30), for: "links that are left alone") {
            let before = try client.links().map { $0["id"] }
            _ = try put(document, etag).expecting(200)
            return try client.links().map { $0["id"] } == before ? true : nil
        }

        var other = try #require(document.objectValue)
        other["primary"] = "n2"
        let moved = try put(.object(other), etag)
        #expect(moved.status == 422, "\(moved)")
        #expect(moved["errors"]?.arrayValue?.isEmpty == false)

        var without = try #require(document.objectValue)
        without["replicas"] = [["node": "n2", "upstream": "n1"]]
        without["nodes"] = .array(
            (document["nodes"]?.arrayValue ?? []).filter { $0["name"] != "n3" })
        for name in ["generation", "term", "changed_at", "changed_by", "reason"] {
            without[name] = nil
        }
        let changed = try put(.object(without), etag)
        #expect(changed.status == 200, "\(changed)")
        #expect(changed.etag != etag)
        #expect(
            changed["generation"]?.integerValue == (document["generation"]?.integerValue ?? 0) + 1)
        try cluster[2].client.waitUntilState("detached")

        let stale = try put(document, etag)
        #expect(stale.status == 412)
        #expect(stale["changed_at"]?.stringValue != nil, "it says who changed it and when")
        try client.waitUntilInSync()
        try poll(within: .seconds(30), for: "no drift") {
            let drift = try client.get("/v1/topology/drift").expecting(200)
            return drift["items"] == [] && drift["converged"] == true ? true : nil
        }
        let replicaDocument = try cluster[1].client.get("/v1/topology")
        #expect(replicaDocument.etag == changed.etag)
        #expect(replicaDocument.json == changed.json)
    }

    @Test(.timeLimit(.minutes(3)))
    func `all faults of a document are told at once`() throws {
        let client = try TestCluster().primary.client
        let got = try client.get("/v1/topology")
        let bad: JSONValue = [
            "primary": "n1", "min_in_sync_replicas": 5,
            "replicas": [
                ["node": "ghost", "upstream": "n1"], ["node": "n1", "upstream": "nobody"],
            ],
            "nodes": [["name": "n1", "address": "http://127.0.0.1:7070/path"]],
        ]
        let answer = try client.ask(
            "PUT", "/v1/topology", json: bad,
            headers: [("If-Match", try #require(got.etag))])
        #expect(answer.status == 422, "\(answer)")
        #expect((answer["errors"]?.arrayValue?.count ?? 0) >= 2)
        #expect(
            answer["errors"]?.arrayValue?.allSatisfy { $0["pointer"]?.stringValue != nil } == true)
        #expect(try client.get("/v1/topology").etag == got.etag)

        // What cannot be read hides nothing of what can.
        let worse: JSONValue = [
            "primary": "n1", "min_in_sync_replicas": "many",
            "replicas": [
                ["node": "a", "upstream": "b"], ["node": "b", "upstream": "a"],
                ["node": "c"],
            ],
            "nodes": [
                ["name": "n1", "address": "http://127.0.0.1:7070"],
                ["name": "a", "address": "http://127.0.0.1:7070"],
                ["name": "b", "address": 7],
                ["name": "c", "address": "http://127.0.0.1:7073"],
                ["name": "c", "address": "http://127.0.0.1:7074"],
            ],
        ]
        let all = try client.ask(
            "PUT", "/v1/topology", json: worse,
            headers: [("If-Match", try #require(got.etag))])
        #expect(all.status == 422, "\(all)")
        let told = Set(
            all["errors"]?.arrayValue?.map {
                "\($0["pointer"]?.stringValue ?? "?") \($0["code"]?.stringValue ?? "?")"
            } ?? [])
        #expect(
            told == [
                "/min_in_sync_replicas invalid", "/nodes/2/address invalid",
                "/replicas/2/upstream missing", "/replicas/0/upstream cycle",
                "/nodes/1/address duplicate-address", "/nodes/4/name duplicate-name",
            ], "\(all)")
    }

    /// Test C, step 6; step 3: an older generation.
    @Test(.timeLimit(.minutes(3)))
    func `nodes that do not exist keep nobody from converging`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        let got = try client.get("/v1/topology")
        var document = try #require(got.json.objectValue)
        let ghosts = (0..<48).map { "ghost-\($0)" }
        document["generation"] = nil
        document["nodes"] = .array(
            (document["nodes"]?.arrayValue ?? [])
                + ghosts.enumerated().map { number, name in
                    ["name": .string(name), "address": .string("http://127.0.0.1:\(1 + number)")]
                })
        document["replicas"] = .array(
            (document["replicas"]?.arrayValue ?? [])
                + ghosts.map { ["node": .string($0), "upstream": "n1"] })
        let changed = try client.ask(
            "PUT", "/v1/topology", json: .object(document),
            headers: [("If-Match", try #require(got.etag))])
        #expect(changed.status == 200, "\(changed)")
        let index = try #require(client.put(Path.key("k"), [1]).index)
        try cluster[1].client.waitUntilApplied(index)
        let drift = try client.get("/v1/topology/drift")
        #expect(drift["converged"] == false)
        #expect(try client.get("/v1/sync")["in_sync"] == false)
        #expect(try client.nodeNames().count == 50)
        let put = try client.ask(
            "PUT", "/v1/topology", json: got.json,
            headers: [("If-Match", try #require(changed.etag))])
        #expect([409, 412, 422].contains(put.status), "an older generation is refused: \(put)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `of two documents that are put at once exactly one is refused`() throws {
        let client = try TestCluster(nodes: 2).primary.client
        for round in 0..<(isFullRun ? 50 : 10) {
            let got = try client.get("/v1/topology").expecting(200)
            let etag = try #require(got.etag)
            let documents = try (0..<2).map { number in
                var document = try #require(got.json.objectValue)
                for name in ["generation", "term", "changed_at", "changed_by"] {
                    document[name] = nil
                }
                document["min_in_sync_replicas"] = JSONValue((round + 1) % 2)
                document["reason"] = .string("round \(round), number \(number)")
                return document
            }
            let answers = try Parallel.map(documents, threads: 2) { document in
                try client.ask(
                    "PUT", "/v1/topology", json: .object(document), headers: [("If-Match", etag)])
            }
            #expect(answers.map(\.status).sorted() == [200, 412], "\(answers)")
            let kept = try #require(answers.first { $0.status == 200 })
            let now = try client.get("/v1/topology")
            #expect(now.etag == kept.etag)
            #expect(now["reason"] == kept["reason"])
            let refused = try #require(answers.first { $0.status == 412 })
            #expect(refused["etag"]?.stringValue == kept.etag, "it says what it would replace")
        }
    }
}
