import Engine
import Log
import Platform
import Testing

@Suite struct CommitterTests {
    private func put(_ key: String) -> WriteKeys {
        WriteKeys(namespace: .default, writes: [.put(key: bytes(key), value: bytes("v"))])
    }

    @Test func `what waits when it is stopped is answered, and what comes later is refused`() throws
    {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let answers = Answers<Result<Void, CommitFailure>>()
        let count = 2_000
        let submitter = WorkerThread(name: "submitter") {
            for turn in 0..<count {
                committer.submit(put("k\(turn)")) { answers.add(turn, $0.map { _ in () }) }
            }
        }
        #expect(committer.stop(until: soon))
        #expect(submitter.join(until: soon))
        let results = try #require(answers.all(count))
        let done = results.filter { if case .success = $0 { true } else { false } }.count
        let refused = results.filter { if case .failure(.notPrimary) = $0 { true } else { false } }
        #expect(done + refused.count == count)
        #expect(try engine.namespace(.default).currentUsage.keys == UInt64(done))
        #expect(throws: CommitFailure.notPrimary) { try committer.commit(put("late"))?.get() }
        #expect(committer.stop(until: soon))  // Again: nothing to do.
    }

    @Test func `stopping gives up at its deadline and ends when the write is done`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Monitor(false)
        let isHeld = Monitor(false)
        engine.observe { _ in
            isHeld.update { $0 = true }
            _ = gate.wait(until: soon) { $0 ? true : nil }
        }
        committer.submit(put("a")) { _ in }
        _ = isHeld.wait(until: soon) { $0 ? true : nil }
        let answer = Answers<Bool>()
        committer.submit(put("b")) { result in
            if case .failure(.notPrimary) = result { answer.add(0, true) }
        }
        #expect(!committer.stop(until: .now() + .milliseconds(20)))
        gate.update { $0 = true }
        #expect(committer.stop(until: soon))
        #expect(answer.all(1) == [true])
        #expect(try engine.value(.default, "a") == "v")
        #expect(try engine.value(.default, "b") == nil)
    }

    @Test func `it can be stopped while threads commit without a deadline`() throws {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        let isRunning = Monitor(0)
        let threads = (0..<4).map { number in
            WorkerThread(name: "writer") {
                var turn = 0
                while case .success = committer.commit(put("\(number)-\(turn)")) {
                    turn += 1
                    isRunning.update { $0 += 1 }
                }
            }
        }
        _ = isRunning.wait(until: soon) { $0 > 200 ? true : nil }
        #expect(committer.stop(until: soon))
        for thread in threads { #expect(thread.join(until: soon)) }
    }

    @Test func `beyond its bounds it takes no more changes`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let gate = Monitor(false)
        let isHeld = Monitor(false)
        engine.observe { _ in
            isHeld.update { $0 = true }
            _ = gate.wait(until: soon) { $0 ? true : nil }
        }
        committer.submit(put("first")) { _ in }
        _ = isHeld.wait(until: soon) { $0 ? true : nil }
        let answers = Answers<CommitFailure?>()
        for turn in 0...Committer.pendingMax {
            committer.submit(Barrier()) { result in
                if case .failure(let failure) = result {
                    answers.add(turn, failure)
                } else {
                    answers.add(turn, nil)
                }
            }
        }
        #expect(answers.all(1) == [.busy])
        gate.update { $0 = true }
        #expect(answers.all(Committer.pendingMax + 1)?.compactMap(\.self) == [.busy])
        committer.stop(until: soon)
    }

    @Test func `a reign that the log knows is never held again`() async {
        await #expect(processExitsWith: .failure) {
            let directory = try TestDirectory()
            let (engine, committer) = try Engine.found(in: directory.incarnation)
            committer.stop(until: soon)
            _ = Committer(engine: engine, reign: firstReign)
        }
    }

    @Test func `two committers on one engine stop the process`() async {
        await #expect(processExitsWith: .failure) {
            let directory = try TestDirectory()
            let (engine, _) = try Engine.found(in: directory.incarnation)
            _ = engine.nextCommitter()
        }
    }

    @Test func `a primary does not apply an upstream's entries`() async {
        await #expect(processExitsWith: .failure) {
            let directory = try TestDirectory()
            let (engine, _) = try Engine.found(in: directory.incarnation)
            try engine.apply([], encoded: [])
        }
    }

    @Test func `the next reign goes on where the last one stopped`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.put(.default, "a", "1")
        committer.stop(until: soon)
        let next = engine.nextCommitter()
        try next.put(.default, "b", "2")
        next.stop(until: soon)
        #expect(engine.state.header.reign == Reign(term: 2, holder: NodeNumber(rawValue: 1)))
        #expect(try engine.contents(.default).count == 2)
    }
}
