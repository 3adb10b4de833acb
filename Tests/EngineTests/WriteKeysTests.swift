import Engine
import Log
import Platform
import Testing

@Suite struct WriteKeysTests {
    private let key = bytes("k")

    private func check(
        _ expectation: KeyCheck.Expectation, at operation: Int = 0, key: String = "k"
    ) -> WriteKeys {
        WriteKeys(
            namespace: .default,
            checks: [KeyCheck(key: bytes(key), expectation: expectation, operation: operation)],
            writes: [.put(key: bytes(key), value: bytes("new"))])
    }

    @Test func `a check of existence holds or refuses with what is there`() throws {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        #expect(
            committer.refusal(check(.exists(true), at: 3))
                == .checkFailed(operation: 3, current: nil))
        let version = try #require(try committer.done(check(.exists(false))).first?.version)
        #expect(
            committer.refusal(check(.exists(false)))
                == .checkFailed(operation: 0, current: version))
        try committer.done(check(.exists(true)))
        committer.stop(until: soon)
    }

    @Test func `a check of the version fails after any other write, also of the same bytes`() throws
    {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        let first = try #require(try committer.put(.default, "k", "v"))
        let second = try #require(try committer.put(.default, "k", "v"))
        #expect(first != second)
        #expect(
            committer.refusal(check(.version(first)))
                == .checkFailed(operation: 0, current: second))
        #expect(
            committer.refusal(check(.versions([])))
                == .checkFailed(operation: 0, current: second))
        try committer.done(check(.versions([first, second])))
        try committer.done(WriteKeys(namespace: .default, writes: [.delete(key: key)]))
        #expect(
            committer.refusal(check(.version(second))) == .checkFailed(operation: 0, current: nil))
        #expect(
            committer.refusal(check(.versions([second])))
                == .checkFailed(operation: 0, current: nil))
        committer.stop(until: soon)
    }

    @Test func `checks are made before the batch's own writes`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        var change = check(.exists(false))
        change.checks.append(KeyCheck(key: key, expectation: .exists(false), operation: 1))
        change.writes.append(.delete(key: key))
        #expect(try committer.done(change).map { $0 == .deleted } == [false, true])
        #expect(try engine.value(.default, "k") == nil)
        committer.stop(until: soon)
    }

    @Test func `one failed check undoes a whole batch`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let before = engine.state.position
        var change = check(.exists(false), key: "a")
        change.writes += [.put(key: bytes("b"), value: bytes("1")), .delete(key: bytes("c"))]
        change.checks.append(KeyCheck(key: bytes("c"), expectation: .exists(true), operation: 2))
        #expect(committer.refusal(change) == .checkFailed(operation: 2, current: nil))
        #expect(engine.state.position == before)
        #expect(try engine.contents(.default).isEmpty)
        committer.stop(until: soon)
    }

    @Test func `the same key twice in a batch counts once, and the last write stays`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let change = WriteKeys(
            namespace: .default,
            writes: [
                .put(key: key, value: bytes("1")), .put(key: key, value: bytes("22")),
                .delete(key: key), .delete(key: key), .put(key: key, value: bytes("333")),
            ])
        let index = engine.state.position.index.next
        #expect(
            try committer.done(change) == [
                .created(ValueVersion(index: index, ordinal: 0)),
                .replaced(ValueVersion(index: index, ordinal: 1)), .deleted, .absent,
                .created(ValueVersion(index: index, ordinal: 3)),
            ])
        #expect(try engine.value(.default, "k") == "333")
        #expect(try engine.namespace(.default).currentUsage == Usage(keys: 1, bytes: 4))
        committer.stop(until: soon)
    }

    @Test func `a delete that must hit refuses the whole change when it misses`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.put(.default, "a", "1")
        var change = WriteKeys(
            namespace: .default, writes: [.delete(key: bytes("a")), .delete(key: bytes("b"))],
            mustHit: true)
        #expect(committer.refusal(change) == .keyNotFound)
        #expect(try engine.value(.default, "a") == "1")
        // Twice: the second one misses what the first took.
        change.writes = [.delete(key: bytes("a")), .delete(key: bytes("a"))]
        #expect(committer.refusal(change) == .keyNotFound)
        change.mustHit = false
        #expect(try committer.done(change) == [.deleted, .absent])
        committer.stop(until: soon)
    }

    @Test func `keys of any bytes are kept apart and listed in their order`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let keys: [[UInt8]] = [
            [0], [0, 0], [0, 255], [1], bytes("a"), bytes("a/b"), bytes("ab"), [255],
            [255, 255], [255, 255, 0], [UInt8](repeating: 255, count: Key.userKeyBytesMax),
        ]
        try committer.done(
            WriteKeys(
                namespace: .default, writes: keys.reversed().map { .put(key: $0, value: $0) }))
        let found = try engine.contents(.default, page: 2)
        #expect(found.map(\.key) == keys.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(found.allSatisfy { $0.key == $0.value.bytes })
        let namespace = try engine.namespace(.default)
        func list(_ prefix: [UInt8], after: [UInt8]? = nil) throws -> [[UInt8]] {
            let view = try #require(try engine.view(of: namespace.record.id))
            return try view.keys(prefix: prefix, after: after, .init(countMax: 100)).items
                .map(\.key)
        }
        #expect(try list(bytes("a")) == [bytes("a"), bytes("a/b"), bytes("ab")])
        #expect(try list(bytes("a"), after: bytes("a")) == [bytes("a/b"), bytes("ab")])
        #expect(try list(bytes("a"), after: [0]) == [bytes("a"), bytes("a/b"), bytes("ab")])
        #expect(try list(bytes("a"), after: bytes("b")) == [])
        #expect(try list([255]).count == 4)
        #expect(try list([255, 255], after: [255, 255]).count == 2)
        committer.stop(until: soon)
    }

    @Test func `a page ends where it would cost too much, and the next goes on there`() throws {
        let directory = try TestDirectory()
        let clock = TestClock()
        var options = EngineOptions.test()
        options.wallClock = { clock.now }
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        let writes = (0..<30).map { number in
            KeyWrite.put(
                key: bytes("k\(100 + number)"), value: bytes("v"),
                lifetime: number.isMultiple(of: 10) ? nil : .seconds(1))
        }
        try committer.done(WriteKeys(namespace: .default, writes: writes))
        clock.move(by: 1_000)
        try committer.done(Barrier())
        func walk(_ limits: KeyPage.Limits) throws -> [[String]] {
            let view = try #require(try engine.view(of: .default))
            var pages: [[String]] = []
            var after: [UInt8]?
            repeat {
                let page = try view.keys(prefix: bytes("k"), after: after, limits)
                pages.append(page.items.map { String(decoding: $0.key, as: UTF8.self) })
                after = page.next
            } while after != nil
            return pages
        }
        // Of thirty values twenty-seven have expired and are still there.
        #expect(try walk(.init(countMax: 2)) == [["k100", "k110"], ["k120"]])
        #expect(try walk(.init(countMax: 9, bytesMax: 1)) == [["k100"], ["k110"], ["k120"], []])
        let pages = try walk(.init(countMax: 9, hiddenMax: 5))
        #expect(pages.flatMap(\.self) == ["k100", "k110", "k120"])
        #expect(pages.count == 6)
        // What is over, for who needs the room.
        let view = try #require(try engine.view(of: .default))
        func look(after key: [UInt8]? = nil, _ limits: ExpiredKeys.Limits) throws -> ExpiredKeys {
            try view.expiredKeys(after: key, limits)
        }
        let all = try look(.init(countMax: 100, until: .distantFuture))
        #expect(all.lines.count == 27 && all.next == nil)
        let first = try look(.init(countMax: 5, until: .distantFuture))
        #expect(first.lines.count == 5 && first.next == first.lines.last?.key)
        let rest = try look(after: first.next, .init(countMax: 100, until: .distantFuture))
        #expect(rest.lines.count == 22)
        #expect(try look(.init(countMax: 100, bytesMax: 1, until: .distantFuture)).lines.count == 1)
        let late = try look(.init(countMax: 100, until: .now()))
        #expect((1..<27).contains(late.lines.count) && late.next != nil)
        #expect(try committer.done(ExpireKeys(first.lines)) == 5)
        #expect(try engine.namespace(.default).currentUsage.keys == 25)
        committer.stop(until: soon)
    }

    @Test func `a list does not leave its namespace or its epoch`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b")
        for name: NamespaceName in [.default, "a", "b"] {
            try committer.put(name, "k", name.rawValue)
        }
        let old = try engine.namespace("a")
        let before = try #require(try engine.view(of: old.record.id))
        try committer.done(FlushNamespace(name: "a"))
        #expect(try engine.contents("a").isEmpty)
        #expect(try engine.value(of: key, in: old) == nil)
        try committer.put("a", "k2", "x")
        #expect(try engine.contents("a").map(\.key) == [bytes("k2")])
        #expect(try engine.contents("b").map(\.key) == [bytes("k")])
        // A view is as of its own position.
        let page = try before.keys(prefix: [], after: nil, .init(countMax: 10))
        #expect(page.items.map(\.key) == [bytes("k")])
        #expect(page.next == nil)
        committer.stop(until: soon)
    }

    @Test func `quotas are exact with 16 writers at once`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.done(
            CreateNamespaces([
                NamespaceSeed(name: "keys", quotaKeys: 100),
                NamespaceSeed(name: "size", quotaBytes: 1_000),
            ]))
        let outcomes = Monitor((done: 0, refused: 0, size: 0))
        inParallel(16) { thread in
            for turn in 0..<40 {
                let name = "\(thread)-\(turn)"
                let change = WriteKeys(
                    namespace: "keys", writes: [.put(key: bytes(name), value: bytes("v"))])
                switch committer.commit(change) {
                case .success: outcomes.withLock { $0.done += 1 }
                case .failure(.refused(.quotaExceeded("quota_keys", 100, 100))):
                    outcomes.withLock { $0.refused += 1 }
                case .failure, nil: break
                }
                // Key and value are 10 bytes.
                let padded = bytes(name + String(repeating: "x", count: 10 - name.utf8.count))
                let sized = WriteKeys(namespace: "size", writes: [.put(key: padded, value: [])])
                if case .success = committer.commit(sized) { outcomes.withLock { $0.size += 1 } }
            }
        }
        let found = outcomes.withLock { $0 }
        #expect(found.done == 100)
        #expect(found.refused == 540)
        #expect(found.size == 100)
        #expect(try engine.namespace("keys").currentUsage.keys == 100)
        #expect(try engine.namespace("size").currentUsage == Usage(keys: 100, bytes: 1_000))
        #expect(try engine.contents("keys").count == 100)
        committer.stop(until: soon)
    }

    @Test func `above a quota only what frees space is allowed`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        for turn in 0..<5 { try committer.put("a", "k\(turn)", "12345678") }
        var limit = UpdateNamespace(name: "a")
        limit.quotaKeys = .set(3)
        limit.quotaBytes = .set(20)
        try committer.done(limit)
        func write(_ writes: KeyWrite...) -> WriteKeys { WriteKeys(namespace: "a", writes: writes) }

        let one = KeyWrite.put(key: bytes("new"), value: [])
        #expect(
            committer.refusal(write(one))
                == .quotaExceeded(quota: "quota_keys", limit: 3, used: 5))
        let longer = KeyWrite.put(key: bytes("k0"), value: bytes("123456789"))
        #expect(
            committer.refusal(write(longer))
                == .quotaExceeded(quota: "quota_bytes", limit: 20, used: 50))
        try committer.done(write(.put(key: bytes("k0"), value: bytes("1234567"))))
        try committer.done(
            write(.delete(key: bytes("k1")), .put(key: bytes("x1"), value: bytes("12"))))
        try committer.done(write(.delete(key: bytes("k2")), .delete(key: bytes("k3"))))
        // k0 + 7, k4 + 8, x1 + 2: at 3 keys and 23 bytes, no key may be added, and no byte.
        #expect(try engine.namespace("a").currentUsage == Usage(keys: 3, bytes: 23))
        try committer.done(write(.delete(key: bytes("k4"))))
        #expect(
            committer.refusal(write(.put(key: bytes("y1"), value: bytes("1234567"))))
                == .quotaExceeded(quota: "quota_bytes", limit: 20, used: 13))
        try committer.done(write(.put(key: bytes("y1"), value: bytes("12345"))))
        #expect(try engine.namespace("a").currentUsage == Usage(keys: 3, bytes: 20))
        committer.stop(until: soon)
    }

    @Test func `a read-only namespace refuses writes and flushes`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        try committer.put("a", "k", "v")
        var change = UpdateNamespace(name: "a")
        change.isReadOnly = .set(true)
        try committer.done(change)
        let write = WriteKeys(namespace: "a", writes: [.delete(key: key)])
        #expect(committer.refusal(write) == .namespaceReadOnly("a"))
        #expect(committer.refusal(FlushNamespace(name: "a")) == .namespaceReadOnly("a"))
        #expect(try engine.value("a", "k") == "v")
        change.isReadOnly = .set(false)
        try committer.done(change)
        #expect(try committer.done(write) == [.deleted])
        committer.stop(until: soon)
    }

    @Test func `a token is checked where the write is decided, not where it came in`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let token = TokenSeed(lookupID: "abc", algorithm: "sha256", hash: [1, 2, 3])
        try committer.done(CreateNamespaces([NamespaceSeed(name: "a", token: token)]))
        try committer.create("b")
        func admitted<C: Change>(_ change: C, in name: NamespaceName) -> Admitted<C> {
            Admitted(change, by: Credential(tokenID: "abc", namespace: name))
        }
        func write(_ name: NamespaceName) -> Admitted<WriteKeys> {
            let writes = [KeyWrite.put(key: key, value: bytes("v"))]
            return admitted(WriteKeys(namespace: name, writes: writes), in: name)
        }
        // Admitted while the token is good.
        #expect(engine.state.catalog.tokens["abc"] != nil)
        try committer.done(write("a"))
        #expect(committer.refusal(write("b")) == .tokenRevoked)
        #expect(committer.refusal(admitted(FlushNamespace(name: "b"), in: "b")) == .tokenRevoked)

        try committer.done(DeleteNamespace(name: "a"))
        #expect(committer.refusal(write("a")) == .tokenRevoked)
        try committer.create("a")
        #expect(committer.refusal(write("a")) == .tokenRevoked)
        #expect(engine.state.catalog.tokens.isEmpty)
        #expect(try engine.contents("a").isEmpty)
        committer.stop(until: soon)
    }

    @Test func `what no record can hold is refused`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let before = engine.state.position
        let third = [UInt8](repeating: 1, count: Record.payloadBytesMax / 2)
        let change = WriteKeys(
            namespace: .default,
            writes: [.put(key: key, value: third), .put(key: bytes("l"), value: third)])
        #expect(committer.refusal(change) == .tooLarge(limitBytes: Record.payloadBytesMax))
        let seeds = Array(
            repeating: NamespaceSeed(name: "a"), count: CreateNamespaces.countMax + 1)
        guard case .limitReached = committer.refusal(CreateNamespaces(seeds)) else {
            Issue.record("too many namespaces are taken")
            return
        }
        #expect(engine.state.position == before)

        // As large as it goes.
        let rest = Record.payloadBytesMax - change.bytes + 2 * third.count + 1
        var largest = WriteKeys(
            namespace: .default,
            writes: [.put(key: key, value: [UInt8](repeating: 1, count: rest))])
        largest.writes[0] = .put(
            key: key,
            value: [UInt8](
                repeating: 1, count: rest - (largest.bytes - Record.payloadBytesMax)))
        #expect(largest.bytes == Record.payloadBytesMax)
        try committer.done(largest)
        committer.stop(until: soon)
    }
}
