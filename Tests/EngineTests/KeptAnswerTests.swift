import Log
import Platform
import RocksDB
import Testing

@testable import Engine

@Suite struct KeptAnswerTests {
    private let directory: TestDirectory
    private let engine: Engine
    private let committer: Committer

    init() throws {
        directory = try TestDirectory()
        (engine, committer) = try Engine.found(in: directory.incarnation)
    }

    private func key(_ number: Int, asking: UInt8 = 0) -> RequestKey {
        let hash = (0..<RequestKey.bytesCount).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        return RequestKey(
            hash: hash, fingerprint: [UInt8](repeating: asking, count: RequestKey.bytesCount))
    }

    private func write(_ value: String) -> WriteKeys {
        WriteKeys(namespace: .default, writes: [.put(key: bytes("k"), value: bytes(value))])
    }

    private func keeping<C: Change>(
        _ change: C, _ key: RequestKey, _ answer: String = "kept",
        _ limits: AnswerLimits = AnswerLimits()
    ) -> KeepingAnswer<C, LogIndex> {
        KeepingAnswer(change, key: key, limits: limits) { _, index in (bytes(answer), index) }
    }

    /// The kept answer, when the request was carried out before.
    private func again<C: Change>(
        _ committer: Committer, _ change: KeepingAnswer<C, LogIndex>
    ) throws -> KeptAnswer? {
        guard case .again(let kept) = try committer.done(change) else { return nil }
        return kept
    }

    @Test func `the same request again changes nothing and has the answer of the first`() throws {
        let first = try committer.committed(keeping(write("1"), key(1), "one"))
        guard case .done(let index) = first.answer else { return failed("not done") }
        #expect(index == first.position.index)
        try committer.put(.default, "k", "2")
        let before = engine.state.position
        let kept = try #require(try again(committer, keeping(write("1"), key(1))))
        #expect(kept.bytes == bytes("one") && kept.index == index)
        #expect(engine.position(of: kept, key: key(1)) == first.position)
        #expect(engine.state.position == before, "no entry")
        #expect(try engine.value(.default, "k") == "2")
    }

    @Test func `the same key with another request is refused, and another caller's is another key`()
        throws
    {
        try committer.done(keeping(write("1"), key(1)))
        #expect(committer.refusal(keeping(write("2"), key(1, asking: 7))) == .requestKeyReused)
        #expect(try again(committer, keeping(write("2"), key(2))) == nil)
    }

    @Test func `a request that was refused is not kept`() throws {
        let flush = FlushNamespace(name: "later")
        #expect(committer.refusal(keeping(flush, key(1))) == .namespaceNotFound("later"))
        try committer.create("later")
        #expect(try again(committer, keeping(flush, key(1))) == nil)
        #expect(try again(committer, keeping(flush, key(1))) != nil)
    }

    @Test func `of many that come at the same time one is carried out`() throws {
        let increments = Answers<Bool>()
        let (committer, change) = (committer, keeping(write("1"), key(1)))
        for place in 0..<64 {
            committer.submit(change) { result in
                if case .success(let committed) = result, case .done = committed.answer {
                    increments.add(place, true)
                } else if case .success = result {
                    increments.add(place, false)
                }
            }
        }
        let all = try #require(increments.all(64))
        #expect(all.count { $0 } == 1)
    }

    @Test func `a barrier that is asked for again is none`() throws {
        try committer.done(keeping(Barrier(), key(1)))
        let before = engine.state.position
        #expect(try again(committer, keeping(Barrier(), key(1))) != nil)
        #expect(engine.state.position == before)
    }

    @Test func `answers outlive a restart, replayed and from the database's files`() throws {
        let first = try committer.committed(keeping(write("1"), key(1), "one"))
        try committer.done(
            keeping(CreateNamespaces([NamespaceSeed(name: "aa")]), key(2), "two"))
        for flushes in [false, true] {
            if flushes { try engine.flush() }
            let (opened, _) = try Engine.reopen(
                try directory.copy(of: engine, "copy-\(flushes)"))
            let next = opened.nextCommitter()
            let kept = try #require(try again(next, keeping(write("1"), key(1))))
            #expect(kept.bytes == bytes("one"))
            #expect(opened.position(of: kept, key: key(1)) == first.position)
            #expect(try again(next, keeping(Barrier(), key(2)))?.bytes == bytes("two"))
            next.stop(until: soon)
        }
    }

    @Test func `a replica that applies the same entries has the same answers`() throws {
        let replicaDirectory = try TestDirectory()
        let replica = try Engine.create(
            in: replicaDirectory.incarnation, lineage: testLineage, options: .test())
        let first = try committer.committed(keeping(write("1"), key(1), "one"))
        try committer.done(keeping(Barrier(), key(2)))
        for run in try engine.runs(after: .origin) {
            try replica.apply(run.records, encoded: run.encoded)
        }
        let next = replica.nextCommitter()
        let kept = try #require(try again(next, keeping(write("1"), key(1))))
        #expect(kept.bytes == bytes("one"))
        #expect(replica.position(of: kept, key: key(1)) == first.position)
        next.stop(until: soon)
    }

    @Test func `only so many are kept, the newest`() throws {
        var limits = AnswerLimits()
        limits.countMax = 10
        for number in 0..<25 { try committer.done(keeping(write("v"), key(number), "a", limits)) }
        for number in 0..<15 {
            #expect(try engine.database.get(Key.answer(key(number).hash)) == nil, "\(number)")
            #expect(try engine.database.get(Key.answerChainHash(key(number).hash)) == nil)
        }
        for number in 15..<25 {
            #expect(try again(committer, keeping(write("v"), key(number))) != nil, "\(number)")
        }
    }

    @Test func `only so many bytes are kept, and too large an answer not at all`() throws {
        var limits = AnswerLimits()
        limits.totalBytesMax = 10_000
        let answer = String(repeating: "x", count: 1_000)
        for number in 0..<40 {
            try committer.done(keeping(write("v"), key(number), answer, limits))
        }
        let kept = try (0..<40).filter {
            try engine.database.get(Key.answer(key($0).hash)) != nil
        }
        #expect(kept == Array(29..<40), "ten, and one more")
        let large = String(repeating: "x", count: KeptAnswer.bytesMax + 1)
        try committer.done(keeping(write("w"), key(99), large))
        #expect(try again(committer, keeping(write("w"), key(99)))?.bytes == [])
    }

    @Test func `an answer is over after its time, and the request may be carried out anew`() throws
    {
        var limits = AnswerLimits()
        limits.ageMax = .milliseconds(30)
        try committer.done(keeping(write("1"), key(1), "old", limits))
        _ = Monitor(()).wait(until: .now() + .milliseconds(60)) { _ in Never?.none }
        #expect(try again(committer, keeping(write("1"), key(1), "new", limits)) == nil)
        let kept = try #require(try again(committer, keeping(write("1"), key(1))))
        #expect(kept.bytes == bytes("new"), "what was old took nothing with it")
        try committer.done(keeping(write("1"), key(2)))
        let ledger = try #require(try engine.database.get(Key.answerLedger))
        #expect(AnswerLedger(decoding: ledger)?.count == 2)
    }

    @Test func `a data directory with kept answers is sound`() throws {
        for number in 0..<5 { try committer.done(keeping(write("v"), key(number))) }
        try committer.done(keeping(Barrier(), key(9)))
        committer.stop(until: soon)
        try engine.flush()
        var report = EngineReport()
        var verification = StateVerification(engine.database, "db")
        #expect(verification.run(&report) != nil)
        #expect(report.findings.filter { $0.weight == .damage }.isEmpty)
    }

    private func failed(_ what: String) { Issue.record("\(what)") }
}
