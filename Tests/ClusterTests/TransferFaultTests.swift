import ClusterKit
import JSON
import Platform
import Testing

/// Exports and imports when the cluster changes under them; counters when everybody counts.
@Suite(.cluster) struct TransferFaultTests {
    /// A body that is sent as the test likes.
    private func open(_ path: String, at port: UInt16) throws -> Socket {
        let socket = try Socket.connected(to: port)
        // Closed behind the answer, whose end is told so.
        let head =
            "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n"
        guard socket.write(Array(head.utf8)) else { throw ClusterFailure("cannot send") }
        return socket
    }

    /// More than a client that does not read, and the kernel, take.
    private func putLarge(_ client: TestClient) throws {
        for number in 0..<4 {
            let value = [UInt8](repeating: UInt8(ascii: "v"), count: 1 << 20)
            _ = try client.put(Path.key("k\(number)"), value).expecting(201)
        }
    }

    /// Until the node has ended an export that nobody reads: read too soon, the rest may come.
    private func waitUntilEnded(_ export: HeldRequest, at node: ConvoyProcess) throws {
        try poll(within: .seconds(30), for: "the node ends the export") {
            try node.connections(to: export.localPort) == 0 ? true : nil
        }
    }

    private func send(_ lines: Range<Int>, to socket: Socket) -> Bool {
        let text = lines.map { "{\"key\":\"k\($0)\",\"value\":\"v\"}\n" }.joined()
        return socket.write(Array("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n".utf8))
    }

    @Test(.timeLimit(.minutes(3)))
    func `an import that a switchover cuts off says how far it came, and the rest goes on there`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let (old, heir) = (cluster[0], cluster[1])
        let path = "/v1/namespaces/default/import"
        let socket = try open(path, at: old.port)
        #expect(send(1..<1_201, to: socket))
        try poll(within: .seconds(30), for: "the first lines are put") {
            try old.client.get("/v1/namespaces/default")["keys"] == 1_200 ? true : nil
        }
        try old.client.switchOver(from: "n1", to: "n2")
        #expect(send(1_201..<3_001, to: socket))
        #expect(socket.write(Array("0\r\n\r\n".utf8)))
        let answer = String(decoding: socket.readToEnd(idle: .seconds(30)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 421"), "\(answer)")
        let begin = try #require(answer.firstIndex(of: "{"))
        let problem = try JSONValue(parsing: Array(answer[begin...].utf8))
        #expect(problem["primary"]?["name"] == "n2")
        #expect(problem["import"]?["created"] == 1_200)
        #expect(problem["import"]?["next_line"] == 1_201)
        #expect(problem["detail"]?.stringValue?.contains("Nothing was done") == false)
        let runs = try old.client.get("/v1/namespaces/default/imports")["items"]
        #expect(runs?[0]?["state"] == "failed")

        try heir.client.waitUntilInSync()
        #expect(try heir.client.get("/v1/namespaces/default")["keys"] == 1_200)
        let rest = (1_201..<3_001).map { "{\"key\":\"k\($0)\",\"value\":\"v\"}\n" }.joined()
        let done = try heir.client.ask("POST", path, body: Array(rest.utf8)).expecting(200)
        #expect(done["created"] == 1_800)
        // At the old primary it is refused before it begins, or sent on.
        let late = try old.client.ask("POST", path, body: Array(rest.utf8))
        #expect(late.status == 421)
        let sentOn = try CommandRun.curl([
            "-L", "-X", "POST", "-H", "Expect:", "--data-binary", "{\"key\":\"on\",\"value\":\"\"}",
            "\(old.client.base)\(path)?redirect=true",
        ])
        #expect(try JSONValue(parsing: sentOn.output)["created"] == 1, "\(sentOn)")
        try KeyComparison.waitForOnePosition(cluster.nodes)
        let exports = try cluster.nodes.map {
            try $0.client.get("/v1/namespaces/default/export").body
        }
        #expect(exports[0] == exports[1], "the same at the same index")
    }

    @Test(.timeLimit(.minutes(2)))
    func `a client that leaves in the middle has what it sent put, and nothing stays open`() throws
    {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        func runs() throws -> [JSONValue] {
            try client.get("/v1/namespaces/default/imports")["items"]?.arrayValue ?? []
        }
        for turn in 0..<5 {
            // It is found in seconds that a client has left, and three may go on at once.
            try poll(within: .seconds(40), for: "a place for turn \(turn)") {
                try runs().count { $0["state"] == "running" } < 2 ? true : nil
            }
            let socket = try open("/v1/namespaces/default/import", at: cluster.primary.port)
            #expect(send(turn * 100..<turn * 100 + 100, to: socket))
            try poll(within: .seconds(30), for: "the lines of turn \(turn)") {
                let keys = try client.get("/v1/namespaces/default")["keys"]?.integerValue
                return keys == Int64(turn + 1) * 100 ? true : nil
            }
            withExtendedLifetime(socket) {}
        }
        try poll(within: .seconds(40), for: "the end of all imports") {
            let all = try runs()
            return all.count == 5 && all.allSatisfy { $0["state"] == "failed" } ? true : nil
        }
        // More than may go on at once; a place is given back just behind the answer.
        for _ in 0..<8 {
            try poll(within: .seconds(20), for: "a place") {
                let answer = try client.ask("POST", "/v1/namespaces/default/import", body: [])
                return try answer.expecting(200, 429).status == 200 ? true : nil
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `no namespace takes the places of all others, and a place comes back`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        _ = try client.createNamespace("other")
        try putLarge(client)
        var held: [HeldRequest] = try (0..<3).map { _ in
            try HeldRequest(
                "/v1/namespaces/default/export", at: cluster.primary.port, receiveBytes: 8_192)
        }
        for export in held {
            try poll(within: .seconds(30), for: "its beginning") { export.isHeld ? nil : true }
        }
        let fourth = try client.get("/v1/namespaces/default/export")
        #expect(fourth.status == 429 && fourth.header("Retry-After") != nil, "\(fourth)")
        #expect(try client.get("/v1/namespaces/other/export").status == 200)
        // A full sync, a flush and a stop are not held up by who reads on.
        _ = try client.post("/v1/namespaces/default/flush").expecting(200)
        held.removeAll()
        try poll(within: .seconds(30), for: "a place") {
            try client.get("/v1/namespaces/default/export").status == 200 ? true : nil
        }
        held.append(
            try HeldRequest("/v1/namespaces/default/export", at: cluster.primary.port))
        try cluster.primary.stop()
        try cluster.primary.start()
        #expect(try client.get("/v1/namespaces/other/export").status == 200)
    }

    @Test(.timeLimit(.minutes(2)))
    func `an export that a full sync takes the state from under is not complete`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (client, replica) = (cluster.primary.client, cluster[1])
        try putLarge(client)
        try client.waitUntilInSync()
        let held = try HeldRequest(
            "/v1/namespaces/default/export", at: replica.port, receiveBytes: 8_192)
        try poll(within: .seconds(30), for: "the export's beginning") { held.isHeld ? nil : true }
        _ = try client.post("/v1/nodes/n2/resync").expecting(202)
        try poll(within: .seconds(40), for: "the full sync") {
            try replica.client.node().fullSyncs == 2 ? true : nil
        }
        try waitUntilEnded(held, at: replica)
        let text = held.received()
        #expect(text.hasPrefix("HTTP/1.1 200"), "\(text.prefix(200))")
        #expect(!text.contains("convoy_export_end"))
        #expect(try replica.client.get("/v1/namespaces/default/export").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `everybody counts and appends, and nothing is lost over a switchover`() throws {
        let cluster = try TestCluster(nodes: 2)
        let counted = Monitor(0)
        let isOver = Monitor(false)
        let bases = cluster.nodes.map(\.client.base)
        let body: JSONValue = [
            "operations": [
                ["op": "incr", "key": "n"], ["op": "incr", "key": "down", "by": -2],
                ["op": "append", "key": "log", "value": "x"],
            ]
        ]
        let threads = (0..<16).map { number in
            WorkerThread(name: "counter-\(number)") {
                var target = TestClient(base: bases[0])
                while !isOver.withLock({ $0 }) {
                    // What is not answered may be counted: no answer is given up.
                    target.patience = .seconds(90)
                    let answer = try? target.post("/v1/namespaces/default/batch", body)
                    if answer?.status == 200 { counted.update { $0 += 1 } }
                    if answer?.status == 421,
                        let next = answer?["primary"]?["address"]?.stringValue
                    {
                        target = TestClient(base: next)
                    }
                }
            }
        }
        func waitUntilCounted(_ more: Int) {
            let wanted = counted.withLock { $0 } + more
            let isThere = counted.wait(until: .now() + .seconds(40)) { $0 >= wanted ? true : nil }
            #expect(isThere == true)
        }
        waitUntilCounted(100)
        try cluster[0].client.switchOver(from: "n1", to: "n2")
        waitUntilCounted(100)
        isOver.update { $0 = true }
        for thread in threads { #expect(thread.join(until: .now() + .seconds(100))) }
        let total = counted.withLock { $0 }
        try cluster[1].client.waitUntilInSync()
        let keys: JSONValue = ["keys": [["key": "n"], ["key": "down"], ["key": "absent"]]]
        var seen: [JSONValue] = []
        for node in cluster.nodes {
            let answer = try node.client.post("/v1/namespaces/default/get", keys).expecting(200)
            #expect(answer["items"]?[0]?["value"]?.stringValue == "\(total)")
            #expect(answer["items"]?[1]?["value"]?.stringValue == "\(-2 * total)")
            #expect(answer["items"]?[2] == ["key": "absent", "absent": true])
            #expect(try node.client.get(Path.key("log")).body.count == total)
            seen.append(answer.json)
        }
        #expect(seen[0] == seen[1])
        // Sent again with its key, an increment is carried out once.
        let primary = cluster[1].client
        for _ in 0..<3 {
            let answer = try primary.post(
                "/v1/namespaces/default/batch", ["operations": [["op": "incr", "key": "once"]]],
                headers: [("Idempotency-Key", "count-once")])
            #expect(answer["results"]?[0]?["value"] == "1", "\(answer)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `what cannot be counted or is too much to get is refused by name`() throws {
        let client = try TestCluster().primary.client
        _ = try client.put(Path.key("t"), Array("text".utf8)).expecting(201)
        let path = "/v1/namespaces/default/batch"
        let refused = try client.post(
            path,
            [
                "operations": [
                    ["op": "put", "key": "other", "value": "1"],
                    ["op": "check", "key": "t", "exists": true], ["op": "incr", "key": "t"],
                ]
            ])
        #expect(refused.problem == "not-a-number" && refused.status == 422)
        #expect(refused["errors"]?[0]?["pointer"] == "/operations/2")
        #expect(try client.get(Path.key("other")).status == 404)
        let most: JSONValue = .integer(.max)
        let over = try client.post(
            path,
            ["operations": [["op": "incr", "key": "n", "by": most], ["op": "incr", "key": "n"]]])
        #expect(over.problem == "number-overflow" && over.status == 422)
        #expect(
            try client.post(path, ["operations": [["op": "incr", "key": "n", "by": "1"]]]).status
                == 422)
        let large = [UInt8](repeating: 1, count: 6 << 20)
        for number in 0..<3 { _ = try client.put(Path.key("l\(number)"), large).expecting(201) }
        let get = "/v1/namespaces/default/get"
        let keys: JSONValue = ["keys": [["key": "l0"], ["key": "l1"], ["key": "l2"]]]
        let tooMuch = try client.post(get, keys)
        #expect(tooMuch.problem == "too-large" && tooMuch["limit_bytes"] == 16_777_216)
        #expect(tooMuch["errors"]?[0]?["pointer"] == "/keys/2")
        let many = (0..<1_001).map { number -> JSONValue in ["key": .string("k\(number)")] }
        #expect(try client.post(get, ["keys": .array(many)]).status == 422)
        let most1000 = try client.post(get, ["keys": .array(Array(many.dropLast()))])
        #expect(most1000["items"]?.arrayValue?.count == 1_000)
        #expect(try client.post("/v1/namespaces/none/get", keys).status == 404)
    }
}
