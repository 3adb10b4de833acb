import Engine
import Log
import Platform
import Testing

/// Keys that are put one by one, and a namespace as it stood at one position.
@Suite struct ImportKeysTests {
    private let directory: TestDirectory
    private let engine: Engine
    private let committer: Committer

    init() throws {
        directory = try TestDirectory()
        (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
    }

    private func load(
        _ lines: [(String, String)], replaces: Bool = true, stops: Bool = false
    ) throws -> [String] {
        let change = ImportKeys(
            namespace: try engine.namespace("a").record.id, name: "a",
            lines: lines.map { ImportedKey(key: bytes($0.0), value: bytes($0.1)) },
            replaces: replaces, stopsAtRefusal: stops)
        return try committer.done(change).map {
            switch $0 {
            case .created: "created"
            case .replaced: "replaced"
            case .skipped: "skipped"
            case .expired: "expired"
            case .refused(let quota, _, let used): "\(quota) at \(used)"
            case .notTried: "not tried"
            }
        }
    }

    @Test func `each line goes in as far as the quota goes, in one entry`() throws {
        defer { committer.stop(until: soon) }
        var limit = UpdateNamespace(name: "a")
        limit.quotaKeys = .set(3)
        limit.quotaBytes = .set(20)
        try committer.done(limit)
        let before = engine.state.position.index.rawValue
        #expect(
            try load([("k1", "1"), ("k2", "2"), ("k1", "3"), ("k3", "long long long"), ("k4", "4")])
                == ["created", "created", "replaced", "quota_bytes at 6", "created"])
        #expect(engine.state.position.index.rawValue == before + 1)
        #expect(try load([("k5", "5")]) == ["quota_keys at 3"])
        #expect(engine.state.position.index.rawValue == before + 1, "nothing was put")
        #expect(try engine.value("a", "k1") == "3")
        #expect(try engine.namespace("a").currentUsage == Usage(keys: 3, bytes: 9))
        #expect(
            try load([("k1", "5"), ("k5", "5"), ("k2", "6")], stops: true)
                == ["replaced", "quota_keys at 3", "not tried"])
        #expect(
            try load([("k1", "9"), ("k5", "5")], replaces: false) == ["skipped", "quota_keys at 3"])
        #expect(
            try engine.contents("a").map { String(decoding: $0.value.bytes, as: UTF8.self) } == [
                "5", "2", "4",
            ])
    }

    @Test func `a line whose time is over is told so, another keeps its time`() throws {
        defer { committer.stop(until: soon) }
        let now = engine.time
        let later = UnixMilliseconds(rawValue: now.rawValue + 1_000_000)
        let lines = [
            ImportedKey(key: bytes("over"), value: [], expiry: now),
            ImportedKey(key: bytes("later"), value: [], expiry: later),
        ]
        let done = try committer.done(
            ImportKeys(
                namespace: engine.namespace("a").record.id, name: "a", lines: lines, replaces: true,
                stopsAtRefusal: true))
        #expect(done.first == .expired)
        #expect(try engine.contents("a").map(\.value.expiry) == [later])
        #expect(try engine.namespace("a").currentUsage.keys == 1)
    }

    @Test
    func `an import goes on in the namespace that it began in, whatever has that name by now`()
        throws
    {
        defer { committer.stop(until: soon) }
        let id = try engine.namespace("a").record.id
        func load(_ key: String) throws -> [ImportOutcome] {
            try committer.done(
                ImportKeys(
                    namespace: id, name: "a", lines: [ImportedKey(key: bytes(key), value: [1])],
                    replaces: true, stopsAtRefusal: true))
        }
        _ = try load("k1")
        var rename = UpdateNamespace(name: "a")
        rename.newName = .set("old")
        try committer.done(rename)
        try committer.create("a")
        _ = try load("k2")
        #expect(try engine.contents("old").map(\.key) == [bytes("k1"), bytes("k2")])
        #expect(try engine.contents("a").isEmpty)
        try committer.done(DeleteNamespace(name: "old"))
        let late = ImportKeys(
            namespace: id, name: "a", lines: [ImportedKey(key: [1], value: [1])], replaces: true,
            stopsAtRefusal: true)
        #expect(committer.refusal(late) == .namespaceNotFound("a"))
    }

    @Test func `a view stays as it was, whatever is written, flushed and deleted`() throws {
        defer { committer.stop(until: soon) }
        for number in 0..<50 { try committer.put("a", "k\(number)", "\(number)") }
        let view = try #require(try engine.view(of: engine.namespace("a").record.id))
        #expect(view.position == engine.state.position)
        try committer.put("a", "k7", "changed")
        try committer.done(FlushNamespace(name: "a"))
        try committer.put("a", "new", "1")
        try committer.done(DeleteNamespace(name: "a"))
        try engine.flush()
        #expect(try engine.view(of: view.namespace.id) == nil)
        #expect(try view.value(of: bytes("k7"))?.bytes == bytes("7"))
        #expect(try view.value(of: bytes("new")) == nil)
        func keys(_ prefix: String, after: String?) throws -> [String] {
            let walk = view.walk(prefix: bytes(prefix), after: after.map { bytes($0) })
            var found: [String] = []
            while let next = try walk.next() {
                found.append(String(decoding: next.key, as: UTF8.self))
            }
            return found
        }
        #expect(try keys("", after: nil) == (0..<50).map { "k\($0)" }.sorted())
        #expect(try keys("k4", after: "k46") == ["k47", "k48", "k49"])
        #expect(try keys("x", after: nil) == [])
    }
}
