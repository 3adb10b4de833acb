import Engine
import Log
import Platform
import Testing

/// Values that live for some time.
@Suite struct ExpiryTests {
    private let directory: TestDirectory
    private let clock = TestClock()
    private let options: EngineOptions

    init() throws {
        directory = try TestDirectory()
        var options = EngineOptions.test()
        options.wallClock = { [clock] in clock.now }
        self.options = options
    }

    private func put(
        _ committer: Committer, _ key: String, _ value: String = "v", seconds: Int?
    ) throws -> KeyWriteResult? {
        let write = KeyWrite.put(
            key: bytes(key), value: bytes(value), lifetime: seconds.map { .seconds($0) })
        return try committer.done(WriteKeys(namespace: .default, writes: [write])).first
    }

    private func read(_ engine: Engine, _ key: String) throws -> StoredValue? {
        try engine.value(of: bytes(key), in: try engine.namespace(.default))
    }

    private func usage(_ engine: Engine) throws -> Usage {
        try engine.namespace(.default).currentUsage
    }

    /// Any entry brings the wall clock's time. Real time passes besides: no test hangs on a second.
    private func moveClock(_ committer: Committer, by seconds: Int) throws {
        clock.move(by: seconds)
        try committer.done(Barrier())
    }

    private func sweep(_ engine: Engine, _ committer: Committer) throws -> Int {
        let lines = try engine.dueLines(ExpiryCursor(), countMax: 1_000)
        return try committer.done(ExpireKeys(lines))
    }

    @Test func `a value is gone when its time has come, and removed by an entry`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        defer { committer.stop(until: soon) }
        _ = try put(committer, "short", seconds: 100)
        _ = try put(committer, "long", seconds: 10_000)
        _ = try put(committer, "ever", seconds: nil)
        #expect(try read(engine, "short")?.expiry != nil)
        try moveClock(committer, by: 40)
        #expect(try read(engine, "short") != nil)
        try moveClock(committer, by: 120)
        #expect(try read(engine, "short") == nil)
        #expect(
            try engine.contents(.default, page: 10).map(\.key) == [bytes("ever"), bytes("long")])
        #expect(try usage(engine).keys == 3, "until it is removed")
        #expect(try sweep(engine, committer) == 1)
        #expect(try usage(engine) == Usage(keys: 2, bytes: 10))
        #expect(try sweep(engine, committer) == 0)
    }

    @Test func `a clock that jumps back brings nothing back`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        defer { committer.stop(until: soon) }
        _ = try put(committer, "k", seconds: 100)
        try moveClock(committer, by: 160)
        try moveClock(committer, by: -5_000)
        #expect(try read(engine, "k") == nil)
        // It is absent for writers too: a check for it fails, and a put creates it.
        let check = KeyCheck(key: bytes("k"), expectation: .exists(true), operation: 0)
        let change = WriteKeys(namespace: .default, checks: [check], writes: [])
        #expect(throws: NotCommitted.self) { try committer.done(change) }
        guard case .created? = try put(committer, "k", seconds: 100) else {
            Issue.record("a value that has expired was replaced")
            return
        }
        #expect(try read(engine, "k") != nil)
        #expect(try usage(engine).keys == 1)
    }

    @Test func `a put without a lifetime ends the old one, and so does another one`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        defer { committer.stop(until: soon) }
        for key in ["a", "b", "c"] { _ = try put(committer, key, seconds: 100) }
        _ = try put(committer, "a", seconds: nil)
        func set(_ key: String, _ lifetime: Duration?) throws {
            let write = KeyWrite.setLifetime(key: bytes(key), lifetime)
            _ = try committer.done(WriteKeys(namespace: .default, writes: [write]))
        }
        try set("b", nil)
        try set("c", .seconds(1_000))
        try set("absent", .seconds(1_000))
        try moveClock(committer, by: 500)
        #expect(try sweep(engine, committer) == 0)
        #expect(
            try ["a", "b", "c"].map { try read(engine, $0)?.bytes } == [
                bytes("v"), bytes("v"), bytes("v"),
            ])
        try moveClock(committer, by: 600)
        #expect(try sweep(engine, committer) == 1)
        #expect(try read(engine, "c") == nil && read(engine, "absent") == nil)
    }

    @Test func `what was read of the index and has changed since is left alone`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        defer { committer.stop(until: soon) }
        _ = try put(committer, "k", "old", seconds: 100)
        try moveClock(committer, by: 160)
        let lines = try engine.dueLines(ExpiryCursor(), countMax: 10)
        #expect(lines.count == 1)
        _ = try put(committer, "k", "new", seconds: 100)
        #expect(try committer.done(ExpireKeys(lines)) == 0)
        #expect(try read(engine, "k")?.bytes == bytes("new"))
    }

    @Test func `a flush takes the lines of the index too, some time later`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        defer { committer.stop(until: soon) }
        for number in 0..<50 { _ = try put(committer, "k\(number)", seconds: 10_000) }
        _ = try committer.done(FlushNamespace(name: .default))
        _ = try put(committer, "after", seconds: 10_000)
        var cursor = ExpiryCursor()
        let stale = try engine.staleLines(&cursor, countMax: 1_000)
        #expect(stale.count == 50)
        #expect(try committer.done(ExpireKeys(stale)) == 0)
        #expect(try engine.staleLines(&cursor, countMax: 1_000).isEmpty)
        #expect(try read(engine, "after") != nil)
        try moveClock(committer, by: 10_060)
        #expect(try engine.dueLines(ExpiryCursor(), countMax: 10).count == 1)
    }

    @Test func `a replica and a restart hide and remove the same`() throws {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        for number in 0..<20 { _ = try put(committer, "k\(number)", seconds: 200 * (number + 1)) }
        try moveClock(committer, by: 2_100)
        #expect(try sweep(engine, committer) == 10)
        committer.stop(until: soon)
        let copy = try directory.copy(of: engine, "copy")
        let reopened = try Engine.reopen(copy, options: options).engine
        #expect(reopened.time >= engine.state.header.time)
        #expect(try usage(reopened) == usage(engine))
        #expect(
            try reopened.contents(.default, page: 7).map(\.key)
                == engine.contents(.default, page: 100).map(\.key))
        #expect(try reopened.dueLines(ExpiryCursor(), countMax: 10).isEmpty)
    }
}
