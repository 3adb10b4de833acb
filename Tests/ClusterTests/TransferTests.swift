import ClusterKit
import JSON
import Platform
import Testing

/// A namespace goes out and comes in again, byte for byte.
@Suite(.cluster) struct TransferTests {
    static let frames = [("Accept", "application/octet-stream")]

    /// Keys and values of all sorts and sizes.
    private func fill(_ client: TestClient, _ name: String, _ random: inout SeededRandom) throws {
        var puts: [(key: [UInt8], value: [UInt8])] = [
            ([0], []), ([0xFF, 0xFE], [0]), (Array("ä\"\\\n".utf8), Array("\u{0}\u{1F69A}".utf8)),
            (random.bytes(65_535), random.bytes(100)),
            (Array(repeating: UInt8(ascii: "k"), count: 65_535), []),
            (Array("large".utf8), random.bytes(1 << 20)),
            (Array("controls".utf8), [UInt8](repeating: 1, count: 1 << 20)),
        ]
        for number in 0..<400 {
            let size = Int.random(in: 0...200, using: &random)
            puts.append((random.bytes(1 + number % 40) + [UInt8(number % 256)], random.bytes(size)))
        }
        for part in stride(from: 0, to: puts.count, by: 100) {
            let operations = puts[part..<min(puts.count, part + 100)].map { put -> JSONValue in
                [
                    "op": "put", "key_base64": .string(Base64.encode(put.key)),
                    "value_base64": .string(Base64.encode(put.value)),
                    "ttl_seconds": put.key.count % 3 == 0 ? 3_000 : .null,
                ]
            }
            _ = try client.post(
                "/v1/namespaces/\(name)/batch", ["operations": .array(operations)]
            ).expecting(200)
        }
    }

    /// An export without its first line or frame, which names namespace and position.
    static func export(
        _ client: TestClient, _ name: String, _ headers: [(String, String)] = [],
        _ query: String = ""
    ) throws -> (body: [UInt8], rest: [UInt8]) {
        let body = try client.get("/v1/namespaces/\(name)/export\(query)", headers: headers)
            .expecting(200).body
        let cut: Int
        if headers.isEmpty {
            cut = (body.firstIndex(of: UInt8(ascii: "\n")) ?? 0) + 1
        } else {
            cut = 14 + Int(body[10]) + Int(body[11]) << 8
        }
        return (body, Array(body[cut...]))
    }

    @Test(.timeLimit(.minutes(2)))
    func `what goes out of one namespace and cluster is the same in another`() throws {
        let cluster = try TestCluster(nodes: 2)
        let other = try TestCluster(empty: [])
        let stranger = try other.start(other.makeNode(name: "x1")).client
        let client = cluster.primary.client
        for name in ["a", "b"] { _ = try client.createNamespace(name) }
        _ = try stranger.createNamespace("c")
        var random = SeededRandom.announced(for: "export and import")
        try fill(client, "a", &random)
        let lines = try TransferTests.export(client, "a")
        let frames = try TransferTests.export(client, "a", TransferTests.frames)
        #expect(frames.body.count < lines.body.count)

        let into = "/v1/namespaces/b/import"
        let first = try client.ask("POST", into, body: lines.body).expecting(200)
        #expect(first["created"] == 407)
        #expect(first["complete"] == true)
        #expect(try TransferTests.export(client, "b").rest == lines.rest)
        let again = try client.ask("POST", into + "?if_exists=skip", body: frames.body)
            .expecting(200)
        #expect(again["skipped"] == 407)
        _ = try client.post("/v1/namespaces/b/flush").expecting(200)
        let second = try client.ask("POST", into, body: frames.body).expecting(200)
        #expect(second["created"] == 407)
        #expect(try TransferTests.export(client, "b", TransferTests.frames).rest == frames.rest)
        let third = try stranger.ask("POST", "/v1/namespaces/c/import", body: frames.body)
        #expect(third.status == 200, "\(third)")
        #expect(try TransferTests.export(stranger, "c").rest == lines.rest)

        // A replica says the same of the same index, and so does a node after a restart.
        try cluster[1].client.waitUntilApplied(try #require(second.index))
        let there = try TransferTests.export(cluster[1].client, "b")
        #expect(try TransferTests.export(client, "b").body == there.body)
        #expect(try KeyComparison(cluster.nodes).differences == [])
        try cluster[1].stop()
        try cluster[1].start()
        #expect(try TransferTests.export(cluster[1].client, "b").rest == there.rest)
    }

    @Test(.timeLimit(.minutes(3)))
    func `an export is of one position while writers go on, and goes on behind a key`() throws {
        let client = try TestCluster().primary.client
        let pairs = (0..<300).map { "k\(1_000 + $0)" }
        @Sendable func write(_ turn: Int) throws {
            let puts = pairs.map { key -> JSONValue in
                ["op": "put", "key": .string(key), "value": .string("\(turn)")]
            }
            _ = try client.post("/v1/namespaces/default/batch", ["operations": .array(puts)])
                .expecting(200)
        }
        try write(0)
        let isOver = Monitor(false)
        let writer = WorkerThread(name: "writer") {
            var turn = 1
            while !isOver.withLock({ $0 }) {
                try? write(turn)
                turn += 1
            }
        }
        for _ in 0..<20 {
            let answer = try client.get("/v1/namespaces/default/export").expecting(200)
            let lines = try answer.text.split(separator: "\n").map {
                try JSONValue(parsing: Array($0.utf8))
            }
            #expect(lines.count == 302)
            #expect(Set(lines.compactMap { $0["value"]?.stringValue }).count == 1)
            #expect(
                lines.first?["position"]?["index"]?.integerValue == answer.index.map { Int64($0) })
            #expect(lines.last?["count"] == 300)
        }
        isOver.update { $0 = true }
        #expect(writer.join(until: .now() + .seconds(30)))
        let rest = try client.get("/v1/namespaces/default/export?after=k1297&prefix=k12").text
        #expect(rest.split(separator: "\n").count == 4, "\(rest)")
        #expect(rest.contains("\"k1298\"") && rest.contains("\"k1299\""))
        #expect(try client.ask("HEAD", "/v1/namespaces/default/export").status == 200)
    }

    @Test(.timeLimit(.minutes(4)))
    func `an import of more than all bodies may have goes through curl as it comes`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        // The whole body is larger than a batch may be: frames of 1 MiB.
        let count = isFullRun ? 560 : 70
        let value = [UInt8](repeating: UInt8(ascii: "v"), count: 1 << 20)
        var body = Array("CONVOYKV".utf8) + [1]
        for number in 0..<count {
            var frame = ByteWriter()
            frame.little(UInt8(ascii: "K"))
            frame.little(UInt32(8))
            frame.little(UInt32(value.count))
            frame.little(UInt64(0))
            frame.big(UInt64(number))
            body += frame.bytes + value
        }
        #expect(body.count > 64 << 20)
        // So slow that it is not over before it was seen to run.
        let proxy = try FaultyProxy(to: cluster.primary.port)
        proxy.conduct.toServer = .limited(bytesPerSecond: 2 << 20)
        let url = "\(proxy.address)/v1/namespaces/default/import"
        let isOver = Monitor(false)
        let seen = Monitor(0)
        let watcher = WorkerThread(name: "watcher") {
            while !isOver.withLock({ $0 }) {
                let runs = try? client.get("/v1/namespaces/default/imports")["items"]
                if runs?[0]?["state"] == "running", (runs?[0]?["created"]?.integerValue ?? 0) > 0 {
                    seen.update { $0 += 1 }
                    proxy.conduct = .healthy
                }
                rest(.milliseconds(50))
            }
        }
        let run = try CommandRun.curl(
            ["-f", "-T", "-", "-X", "POST", url], input: body, within: .seconds(150))
        isOver.update { $0 = true }
        let report = try JSONValue(parsing: run.output)
        #expect(report["created"]?.integerValue == Int64(count), "\(run)")
        #expect(seen.withLock { $0 } > 0, "progress while it runs")
        #expect(watcher.join(until: .now() + .seconds(30)))
        #expect(try client.get("/v1/namespaces/default")["keys"]?.integerValue == Int64(count))
        #expect(try cluster.primary.residentBytes() < 400 << 20)
    }

    @Test(.timeLimit(.minutes(3)))
    func `what is refused is told line by line, and the quota is exact`() throws {
        let client = try TestCluster().primary.client
        _ = try client.post("/v1/namespaces", ["name": "q", "quota_keys": 700]).expecting(201)
        let body = Array(
            (1...1_000).map { number in
                number % 100 == 7 ? "no line" : "{\"key\":\"k\(number)\",\"value\":\"\"}"
            }.joined(separator: "\n").utf8)
        let path = "/v1/namespaces/q/import"
        let stopped = try client.ask("POST", path, body: body)
        #expect(stopped.problem == "line-refused", "\(stopped)")
        #expect(stopped["import"]?["created"] == 6)
        #expect(stopped["import"]?["next_line"] == 7)
        let report = try client.ask("POST", path + "?on_error=continue", body: body)
            .expecting(200)
        #expect(report["created"] == 694)
        #expect(report["replaced"] == 6)
        #expect(report["refused"] == 300)
        let refusals = report["refusals"]?.arrayValue ?? []
        #expect(refusals.count == 100)
        #expect(refusals.first?["line"] == 7)
        #expect(refusals.first?["code"] == "malformed-json")
        #expect(refusals.contains { $0["code"] == "quota-exceeded" })
        #expect(try client.get("/v1/namespaces/q")["keys"] == 700)
        let over = "{\"key\":\"k1\",\"value\":\"\",\"expires_at\":\"2020-01-01T00:00:00.000Z\"}"
        #expect(try client.ask("POST", path, body: Array(over.utf8))["expired"] == 1)
        #expect(try client.ask("POST", path + "?on_error=never", body: body).status == 400)
        _ = try client.ask("PATCH", "/v1/namespaces/q", json: ["read_only": true]).expecting(200)
        #expect(try client.ask("POST", path, body: body).problem == "read-only")
        #expect(try client.ask("POST", "/v1/namespaces/none/import", body: body).status == 404)
    }

    @Test(.timeLimit(.minutes(2)))
    func `a token that is revoked ends the export and the import that it began`() throws {
        let cluster = try TestCluster()
        let admin = cluster.primary.client
        let made = try admin.post(
            "/v1/namespaces/default/tokens", ["scopes": ["read", "write"]]
        ).expecting(201)
        let token = try #require(made["token"]?.stringValue)
        for number in 0..<8 {
            let value = [UInt8](repeating: UInt8(number), count: 4 << 20)
            _ = try admin.put(Path.key("k\(number)"), value).expecting(201)
        }
        let port = cluster.primary.port
        let header = ("Authorization", "Bearer \(token)")
        let export = try HeldRequest(
            "/v1/namespaces/default/export", at: port, headers: [header], receiveBytes: 8_192)
        try poll(within: .seconds(30), for: "the export's beginning") { export.isHeld ? nil : true }
        let socket = try Socket.connected(to: port)
        #expect(
            socket.write(
                Array(
                    "POST /v1/namespaces/default/import HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nAuthorization: Bearer \(token)\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                        .utf8)))
        func send(_ line: String) -> Bool {
            socket.write(Array("\(String(line.utf8.count, radix: 16))\r\n\(line)\r\n".utf8))
        }
        // So much that the rest may come late: clients of less than 1 KiB/s are hung up on.
        let value = String(repeating: "v", count: 64 << 10)
        #expect(send("{\"key\":\"before\",\"value\":\"\(value)\"}\n"))
        try poll(within: .seconds(30), for: "the first line is put though no more comes") {
            try admin.get(Path.key("before")).status == 200 ? true : nil
        }
        let id = try #require(made["id"]?.stringValue)
        _ = try admin.delete("/v1/namespaces/default/tokens/\(id)").expecting(200)
        #expect(send("{\"key\":\"after\",\"value\":\"\"}\n"))
        #expect(socket.write(Array("0\r\n\r\n".utf8)))
        let answer = String(decoding: socket.readToEnd(idle: .seconds(30)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 401"), "\(answer)")
        #expect(answer.contains("\"next_line\":2"), "\(answer)")
        #expect(try admin.get(Path.key("after")).status == 404)
        // Not read from before the node has ended it.
        try poll(within: .seconds(30), for: "the node ends the export") {
            try cluster.primary.connections(to: export.localPort) == 0 ? true : nil
        }
        #expect(!export.received().contains("convoy_export_end"))
    }

    @Test(.timeLimit(.minutes(2)))
    func `an export goes on while its namespace is renamed, and ends with its deletion`() throws {
        let cluster = try TestCluster()
        let admin = cluster.primary.client
        for (name, newName) in [("kept", "renamed"), ("lost", nil)] as [(String, String?)] {
            let token = try admin.createNamespace(name)
            for number in 0..<4 {
                let value = [UInt8](repeating: UInt8(ascii: "v"), count: 1 << 20)
                _ = try admin.put(Path.key("k\(number)", in: name), value).expecting(201)
            }
            let held = try HeldRequest(
                "/v1/namespaces/\(name)/export", at: cluster.primary.port,
                headers: [("Authorization", "Bearer \(token)")], receiveBytes: 8_192)
            try poll(within: .seconds(30), for: "its beginning") { held.isHeld ? nil : true }
            if let newName {
                _ = try admin.ask("PATCH", Path.namespace(name), json: ["name": .string(newName)])
                    .expecting(200)
                rest(.milliseconds(300))
            } else {
                _ = try admin.delete(Path.namespace(name)).expecting(200)
                // Not read from before the node has ended it.
                try poll(within: .seconds(30), for: "the node ends the export") {
                    try cluster.primary.connections(to: held.localPort) == 0 ? true : nil
                }
            }
            let text = held.received(until: "convoy_export_end")
            #expect(text.contains("convoy_export_end") == (newName != nil))
        }
    }
}
