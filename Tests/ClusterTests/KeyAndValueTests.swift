import ClusterKit
import JSON
import Testing

/// Keys and values are bytes: whatever they are, they come back as they were.
@Suite(.cluster) struct KeyAndValueTests {
    @Test(.timeLimit(.minutes(3)))
    func `a value of all bytes comes back as it was`() throws {
        let client = try TestCluster().primary.client
        let all = (0...255).map { UInt8($0) }
        for value in [all, [], [0], [0, 0, 0], Array(all.reversed()) + all, [13, 10, 13, 10]] {
            _ = try client.put(Path.key("v"), value).expecting(201, 204)
            #expect(try client.get(Path.key("v")).body == value)
        }
        for type in ["text/html", "application/json", "image/svg+xml"] {
            _ = try client.put(
                Path.key("v"), Array("<script>".utf8), headers: [("Content-Type", type)]
            ).expecting(204)
            let got = try client.get(Path.key("v"))
            #expect(got.header("Content-Type") == "application/octet-stream")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a value may have thirty-two megabytes and no more`() throws {
        let client = try TestCluster().primary.client
        var random = SeededRandom.announced(for: "32 MiB")
        let value = random.bytes(32 << 20)
        #expect(try client.put(Path.key("most"), value).status == 201)
        #expect(try client.get(Path.key("most")).body == value)
        #expect(try client.get("/v1/namespaces/default")["keys"] == 1)

        let refused = try client.put(Path.key("more"), value + [0])
        #expect(refused.status == 413)
        #expect(refused["limit_bytes"] == 33_554_432)
        #expect(try client.get(Path.key("more")).status == 404)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a key is all of the path, decoded once`() throws {
        let client = try TestCluster().primary.client
        let keys = "/v1/namespaces/default/keys"
        let spellings: [(written: String, read: String)] = [
            ("a/b", "a%2Fb"), ("a%2fb//c", "a/b%2F%2Fc"), ("%00", "%00"), ("x%00y", "x%00y"),
            ("caf%C3%A9", "caf%c3%a9"), ("%25", "%25"), ("%252F", "%252F"), ("a+b", "a%2Bb"),
            ("a%20b", "a%20b"), ("%3F%23", "%3f%23"), ("/", "%2F"),
            ("%F0%9F%9A%9A", "%f0%9f%9a%9a"),
            ("%FF%FE", "%ff%fe"), ("a;b=c&d", "a%3Bb%3Dc%26d"), ("trailing/", "trailing%2F"),
        ]
        for (number, spelling) in spellings.enumerated() {
            let value = Array("value \(number)".utf8)
            let put = try client.put("\(keys)/\(spelling.written)", value)
            #expect(put.status == 201, "\(spelling.written) is a key of its own: \(put)")
            #expect(try client.get("\(keys)/\(spelling.read)").body == value)
        }
        let listed = try client.list(keys)
        #expect(listed.count == spellings.count)
        #expect(listed.contains { $0["key"] == "caf\u{e9}" })
        #expect(listed.contains { $0["key"] == "\u{0}" })
        #expect(listed.contains { $0["key_base64"] == "//4=" && $0["key"] == nil })
        #expect(try client.listKeys(in: "default").map(\.key).isSorted)
        #expect(try client.list("\(keys)?prefix=a%2Fb").count == 2)

        #expect(try client.put("\(keys)/", [1]).status == 400)
        #expect(try client.put("\(keys)/%2", [1]).status == 400)
        #expect(try client.put("\(keys)/%zz", [1]).status == 400)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a key may have 65,535 bytes and no more`() throws {
        let client = try TestCluster().primary.client
        let most = [UInt8](repeating: 0, count: 65_535)
        #expect(try client.put(Path.key(most), [7]).status == 201)
        #expect(try client.get(Path.key(most)).body == [7])
        #expect(try client.listKeys(in: "default").map(\.key) == [most])
        let refused = try client.put(Path.key(most + [0]), [7])
        #expect(refused.status == 400 || refused.status == 413)
        #expect(refused.problem != nil)
        #expect(refused.text.contains("65535") || refused.text.contains("65,535"))
        #expect(try client.delete(Path.key(most)).status == 204)
    }

    @Test(.timeLimit(.minutes(3)))
    func `If-Match and If-None-Match decide whether a write is done`() throws {
        let client = try TestCluster().primary.client
        let path = Path.key("guarded")
        func put(_ value: String, _ name: String, _ condition: String) throws -> TestAnswer {
            try client.put(path, Array(value.utf8), headers: [(name, condition)])
        }
        #expect(try put("0", "If-Match", "\"1-0\"").status == 412)
        let made = try put("1", "If-None-Match", "*")
        #expect(made.status == 201)
        #expect(try put("2", "If-None-Match", "*").status == 412)
        let first = try #require(made.etag)
        let second = try #require(put("2", "If-Match", first).expecting(204).etag)
        let stale = try put("3", "If-Match", first)
        #expect(stale.problem == "precondition-failed")
        #expect(try client.get(path).text == "2")
        #expect(try put("3", "If-Match", second).status == 204)
        #expect(try client.get(path).text == "3")
    }

    @Test(.timeLimit(.minutes(3)))
    func `of many writers with one ETag one wins`() throws {
        let client = try TestCluster().primary.client
        let path = Path.key("contended")
        var etag = try #require(client.put(path, [0]).etag)
        for round in 0..<10 {
            let seen = etag
            let answers = try Parallel.map(Array(0..<8), threads: 8) { number in
                try client.put(path, [UInt8(number)], headers: [("If-Match", seen)])
            }
            let winners = answers.filter { $0.status == 204 }
            #expect(winners.count == 1, "round \(round)")
            #expect(answers.filter { $0.status == 412 }.count == 7)
            etag = try #require(winners.first?.etag)
            #expect(try client.get(path).etag == etag)
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `HEAD answers what GET does, without the body`() throws {
        let client = try TestCluster().primary.client
        _ = try client.put(Path.key("seen"), [UInt8](repeating: 1, count: 12_345))
        let got = try client.get(Path.key("seen"))
        let head = try client.ask("HEAD", Path.key("seen"))
        #expect(head.status == 200)
        #expect(head.body.isEmpty)
        #expect(head.header("Content-Length") == "12345")
        #expect(head.etag == got.etag)
        #expect(head.index != nil)
        #expect(try client.ask("HEAD", Path.key("unseen")).status == 404)
        #expect(try client.ask("HEAD", "/v1/sync").status == 200)
    }

    @Test(.timeLimit(.minutes(3)))
    func `pages of any size make up the same list`() throws {
        let client = try TestCluster().primary.client
        var random = SeededRandom.announced(for: "pages")
        let keys = Set((0..<300).map { _ in "k\(random.next() % 100_000)" })
        try client.load(keys.map { ($0, Array($0.utf8)) }, into: "default")
        let sorted = keys.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        for size in [1, 2, 99, 100, 1000] {
            let items = try client.list("/v1/namespaces/default/keys", pageSize: size)
            #expect(try items.map { try ListedKey($0).key } == sorted, "pages of \(size)")
        }
        #expect(try client.get("/v1/namespaces/default/keys")["items"]?.arrayValue?.count == 100)
        for bad in ["page_size=1001", "page_size=0", "page_size=x", "page_token=%2F%2F"] {
            #expect(try client.get("/v1/namespaces/default/keys?\(bad)").status == 400, "\(bad)")
        }
    }
}

extension [[UInt8]] {
    fileprivate var isSorted: Bool {
        zip(self, dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) }
    }
}
