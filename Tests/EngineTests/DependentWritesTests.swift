import Engine
import Log
import Platform
import Testing

/// Writes whose result depends on the value before: decided at their place in the log, and in the log as
/// what they amount to.
@Suite struct DependentWritesTests {
    private let directory: TestDirectory
    private let engine: Engine
    private let committer: Committer
    private let key = bytes("k")

    init() throws {
        directory = try TestDirectory()
        (engine, committer) = try Engine.found(in: directory.incarnation)
    }

    private func write(_ writes: KeyWrite...) -> WriteKeys {
        WriteKeys(namespace: .default, writes: writes)
    }

    @Test func `an increment counts from nothing, down and up, and keeps the lifetime`() throws {
        defer { committer.stop(until: soon) }
        let first = try committer.done(write(.increment(key: key, by: 5)))
        guard case .incremented(_, value: 5, created: true)? = first.first else {
            Issue.record("\(first)")
            return
        }
        try committer.done(write(.setLifetime(key: key, .seconds(1_000))))
        let second = try committer.done(
            write(.increment(key: key, by: -15), .increment(key: key, by: 1)))
        guard case .incremented(_, value: -9, created: false)? = second.last else {
            Issue.record("\(second)")
            return
        }
        #expect(try engine.value(.default, "k") == "-9")
        #expect(try engine.value(of: key, in: engine.namespace(.default))?.expiry != nil)
        #expect(try engine.namespace(.default).currentUsage == Usage(keys: 1, bytes: 3))
    }

    @Test func `what is no number, and a sum that does not fit, change nothing`() throws {
        defer { committer.stop(until: soon) }
        for text in ["", "x", "1 ", "+1", "01", "-0", "9223372036854775808", "1.0", "1\0"] {
            try committer.put(.default, "k", text)
            let before = engine.state.position
            let change = write(
                .put(key: bytes("other"), value: []), .increment(key: key, by: 1))
            #expect(
                committer.refusal(change) == .writeImpossible(at: 1, .notANumber), "\(text)")
            #expect(engine.state.position == before)
        }
        for (value, step) in [(Int64.max, Int64(1)), (.min, -1), (.min, .min)] {
            try committer.put(.default, "k", "\(value)")
            #expect(
                committer.refusal(write(.increment(key: key, by: step)))
                    == .writeImpossible(at: 0, .overflow))
        }
        #expect(try engine.value(.default, "other") == nil)
    }

    @Test func `what was appended stands in the order of the log, within the limit`() throws {
        defer { committer.stop(until: soon) }
        let done = try committer.done(
            write(.append(key: key, bytes: bytes("a")), .append(key: key, bytes: bytes("bc"))))
        guard case .appended(_, bytes: 3, created: false)? = done.last else {
            Issue.record("\(done)")
            return
        }
        #expect(try engine.value(.default, "k") == "abc")
        let rest = [UInt8](repeating: 7, count: StoredValue.bytesMax - 3)
        try committer.done(write(.append(key: key, bytes: rest)))
        #expect(
            committer.refusal(write(.append(key: key, bytes: [1])))
                == .writeImpossible(at: 0, .valueTooLarge))
        #expect(
            try engine.namespace(.default).currentUsage.bytes == UInt64(StoredValue.bytesMax + 1))
        // Two values as long as can be fit no entry together, and are not written twice in one.
        try committer.done(write(.append(key: bytes("l"), bytes: rest)))
        let both = write(.append(key: key, bytes: []), .append(key: bytes("l"), bytes: []))
        guard case .tooLarge? = committer.refusal(both) else {
            Issue.record("an entry above the limit")
            return
        }
    }

    @Test func `sixteen writers that count together count exactly`() throws {
        defer { committer.stop(until: soon) }
        let turns = 500
        inParallel(16) { [committer, key] _ in
            for _ in 0..<turns {
                _ = try? committer.done(
                    WriteKeys(namespace: .default, writes: [.increment(key: key, by: 1)]))
            }
        }
        #expect(try engine.value(.default, "k") == "\(16 * turns)")
        // A restart and a replica apply what was decided.
        let copy = try directory.copy(of: engine, "copy")
        #expect(try Engine.reopen(copy).engine.value(.default, "k") == "\(16 * turns)")
    }

    /// Each is small by what was asked for, and large by what it comes to: together they would be larger
    /// than an entry can be.
    @Test func `changes that rewrite large values together make several entries`() throws {
        defer { committer.stop(until: soon) }
        let large = [UInt8](repeating: 1, count: 24 << 20)
        for name in ["a", "b", "c", "d"] {
            try committer.done(write(.put(key: bytes(name), value: large)))
        }
        let before = engine.state.position.index
        #expect(committer.hold(until: soon))
        let answers = Answers<Bool>()
        for (place, name) in ["a", "b", "c", "d"].enumerated() {
            let change =
                place < 2
                ? write(.setLifetime(key: bytes(name), .seconds(500)))
                : write(.append(key: bytes(name), bytes: [2]))
            committer.submit(change) { result in
                if case .success = result { answers.add(place, true) }
            }
        }
        committer.release()
        #expect(answers.all(4) == [true, true, true, true])
        #expect(engine.state.position.index.rawValue - before.rawValue == 4)
        for name in ["a", "b", "c", "d"] {
            let value = try engine.value(of: bytes(name), in: engine.namespace(.default))
            #expect((value?.bytes.count ?? 0) - large.count == (name < "c" ? 0 : 1))
        }
    }
}
