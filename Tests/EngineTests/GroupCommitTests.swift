import Engine
import Log
import Platform
import Testing

/// Holds a committer up, so that what is submitted meanwhile becomes one group.
private final class Gate: Sendable {
    private let state = Monitor((isHeld: false, isOpen: false))

    func hold(_ committer: Committer) {
        committer.submit(Held(gate: self)) { _ in }
        _ = state.wait(until: soon) { $0.isHeld ? true : nil }
    }

    func open() { state.update { $0.isOpen = true } }

    private struct Held: Change {
        let gate: Gate
        var kind: EntryKind { .barrier }
        var bytes: Int { 0 }

        func decide(_ section: inout DecidingSection) throws(Refusal) {
            gate.state.update { $0.isHeld = true }
            _ = gate.state.wait(until: soon) { $0.isOpen ? true : nil }
        }
    }
}

@Suite struct GroupCommitTests {
    private func write(_ name: NamespaceName, _ key: String, _ value: String) -> WriteKeys {
        WriteKeys(namespace: name, writes: [.put(key: bytes(key), value: bytes(value))])
    }

    @Test func `many threads at once get distinct versions, and every write is there`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let (threads, each) = (8, 200)
        let answers = Answers<ValueVersion>()
        inParallel(threads) { thread in
            for turn in 0..<each {
                // Half of them with a deadline: those never lead.
                let change = write(.default, "\(thread)-\(turn)", "v\(turn)")
                let result = committer.commit(
                    change, until: turn % 2 == 0 ? .distantFuture : soon)
                guard case .success(let committed) = result,
                    let version = committed.answer.first?.version,
                    committed.position.index == version.index
                else { continue }
                answers.add(thread * each + turn, version)
            }
        }
        committer.stop(until: soon)
        let versions = try #require(answers.all(threads * each))
        #expect(Set(versions).count == threads * each)
        #expect(Set(versions.map(\.etag)).count == threads * each)
        for place in [0, 77, threads * each - 1] {
            let key = "\(place / each)-\(place % each)"
            let value = try engine.value(of: bytes(key), in: engine.namespace(.default))
            #expect(value?.version == versions[place])
        }
        #expect(try engine.namespace(.default).currentUsage.keys == UInt64(threads * each))
    }

    @Test func `data that waits together becomes one entry`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Gate()
        gate.hold(committer)
        let answers = Answers<Position>()
        let before = engine.state.position.index
        for turn in 0..<50 {
            committer.submit(write(.default, "k\(turn)", "v")) { result in
                if case .success(let committed) = result { answers.add(turn, committed.position) }
            }
        }
        gate.open()
        let positions = try #require(answers.all(50))
        #expect(Set(positions).count == 1)
        #expect(engine.state.position == positions[0])
        // The barrier that held the gate, and the one entry.
        #expect(engine.state.position.index.rawValue == before.rawValue + 2)
        committer.stop(until: soon)
    }

    @Test func `a refused change between accepted ones leaves no trace`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Gate()
        gate.hold(committer)
        let answers = Answers<Result<[KeyWriteResult], CommitFailure>>()
        let changes = [
            write(.default, "a", "1"), write("nowhere", "b", "2"),
            WriteKeys(
                namespace: .default,
                checks: [KeyCheck(key: bytes("a"), expectation: .exists(false), operation: 0)],
                writes: [.put(key: bytes("a"), value: bytes("lost"))]),
            write(.default, "c", "3"),
        ]
        for (place, change) in changes.enumerated() {
            committer.submit(change) { answers.add(place, $0.map(\.answer)) }
        }
        gate.open()
        let results = try #require(answers.all(4))
        #expect(throws: CommitFailure.refused(.namespaceNotFound("nowhere"))) {
            try results[1].get()
        }
        let first = try #require(try results[0].get().first?.version)
        #expect(throws: CommitFailure.refused(.checkFailed(operation: 0, current: first))) {
            try results[2].get()
        }
        #expect(try results[3].get().first?.version?.index == first.index)
        #expect(try engine.contents(.default).map(\.key) == [bytes("a"), bytes("c")])
        #expect(try engine.namespace(.default).currentUsage == Usage(keys: 2, bytes: 4))
        committer.stop(until: soon)
    }

    @Test func `a change sees what earlier ones of its group did`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Gate()
        gate.hold(committer)
        let answers = Answers<(position: Position, results: [KeyWriteResult])>()
        let done = Answers<Position>()
        committer.submit(CreateNamespaces([NamespaceSeed(name: "new")])) { result in
            if case .success(let committed) = result { done.add(0, committed.position) }
        }
        let changes = [
            write("new", "k", "1"),
            WriteKeys(
                namespace: "new",
                checks: [KeyCheck(key: bytes("k"), expectation: .exists(true), operation: 0)],
                writes: [.put(key: bytes("k"), value: bytes("22"))]),
            WriteKeys(namespace: "new", writes: [.delete(key: bytes("k"))], mustHit: true),
            write("new", "k", "333"),
        ]
        for (place, change) in changes.enumerated() {
            committer.submit(change) { result in
                if case .success(let committed) = result {
                    answers.add(place, (committed.position, committed.answer))
                }
            }
        }
        gate.open()
        let created = try #require(done.all(1)?.first)
        let results = try #require(answers.all(4))
        let index = created.index.next
        #expect(results.map(\.position.index) == [index, index, index, index])
        #expect(results[0].results == [.created(ValueVersion(index: index, ordinal: 0))])
        #expect(results[1].results == [.replaced(ValueVersion(index: index, ordinal: 1))])
        #expect(results[2].results == [.deleted])
        #expect(results[3].results == [.created(ValueVersion(index: index, ordinal: 3))])
        #expect(try engine.value("new", "k") == "333")
        #expect(try engine.namespace("new").currentUsage == Usage(keys: 1, bytes: 4))
        committer.stop(until: soon)
    }

    /// INCIDENTS.md E, in one group: `set a b, set a c, flush, set a d`.
    @Test func `a flush takes what came before it in its group, and nothing after`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("other")
        for round in 0..<200 {
            let gate = Gate()
            gate.hold(committer)
            let answers = Answers<Bool>()
            for (place, value) in ["a1", "a2", "flush", "a3"].enumerated() {
                if value == "flush" {
                    committer.submit(FlushNamespace(name: .default)) {
                        answers.add(place, $0.isDone)
                    }
                } else {
                    committer.submit(write(.default, "key1", value)) {
                        answers.add(place, $0.isDone)
                    }
                }
                committer.submit(write("other", "\(round)-\(place)", "x")) {
                    answers.add(10 + place, $0.isDone)
                }
            }
            gate.open()
            #expect(answers.all(8) == Array(repeating: true, count: 8))
            #expect(try engine.contents(.default).map { $0.value.bytes } == [bytes("a3")])
            #expect(try engine.namespace(.default).currentUsage == Usage(keys: 1, bytes: 6))
        }
        #expect(try engine.namespace("other").currentUsage.keys == 800)
        committer.stop(until: soon)

        let (reopened, _) = try copied(engine, directory)
        #expect(reopened.state.position == engine.state.position)
        #expect(try reopened.contents(.default).map { $0.value.bytes } == [bytes("a3")])
        #expect(try reopened.contents("other").count == 800)
    }

    private func copied(
        _ engine: Engine, _ directory: TestDirectory
    ) throws -> (engine: Engine, recovery: LogRecovery) {
        let copy = Incarnation(path: directory.path + "/copy")
        try copyTree(engine.incarnation.path, to: copy.path)
        return try Engine.reopen(copy)
    }

    @Test func `large changes get entries of their own, and groups stay bounded`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Gate()
        gate.hold(committer)
        let large = [UInt8](repeating: 7, count: 3 << 20)
        let answers = Answers<Position>()
        for place in 0..<12 {
            let value = place % 3 == 0 ? large : bytes("small")
            let change = WriteKeys(
                namespace: .default, writes: [.put(key: bytes("k\(place)"), value: value)])
            committer.submit(change) { result in
                if case .success(let committed) = result { answers.add(place, committed.position) }
            }
        }
        gate.open()
        let indexes = try #require(answers.all(12)).map(\.index.rawValue)
        let first = indexes[0]
        #expect(
            indexes.map { $0 - first } == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7])
        #expect(try engine.value(of: bytes("k9"), in: engine.namespace(.default))?.bytes == large)
        committer.stop(until: soon)
    }

    @Test func `a change that changes nothing is answered with the state's position`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let before = engine.state.position
        let gone = WriteKeys(namespace: .default, writes: [.delete(key: bytes("absent"))])
        #expect(try committer.committed(gone).position == before)
        #expect(try committer.committed(UpdateNamespace(name: .default)).position == before)
        #expect(engine.state.position == before)
        let barrier = try committer.committed(Barrier()).position
        #expect(barrier.index == before.index.next)
        committer.stop(until: soon)
    }

    /// The counters that a change without writes worked out were added to the next entry.
    @Test func `counters of a change that writes nothing do not get into the next entry`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Gate()
        gate.hold(committer)
        let answers = Answers<Bool>()
        let gone = WriteKeys(namespace: .default, writes: [.delete(key: bytes("absent"))])
        committer.submit(gone) { answers.add(0, $0.isDone) }
        committer.submit(CreateNamespaces([NamespaceSeed(name: "new")])) {
            answers.add(1, $0.isDone)
        }
        gate.open()
        #expect(answers.all(2) == [true, true])
        let records = try engine.runs(after: .origin).flatMap(\.records)
        let payload = try #require(records.last.flatMap { EntryPayload(decoding: $0.payload) })
        #expect(payload.counters.isEmpty)
        committer.stop(until: soon)
    }
}

extension Result {
    fileprivate var isDone: Bool { if case .success = self { true } else { false } }
}
