import Engine
import Log
import Platform
import Testing
import Topology

/// A reign that ends by a handover.
@Suite struct HandoverTests {
    private func put(_ key: String) -> WriteKeys {
        WriteKeys(namespace: .default, writes: [.put(key: bytes(key), value: bytes("v"))])
    }

    /// Four threads that submit until told to stop, and how many were answered with what.
    private final class Load: Sendable {
        let isOver = Monitor(false)
        let done = Monitor((committed: 0, refused: 0))

        init(_ committer: Committer, _ put: @escaping @Sendable (String) -> WriteKeys) {
            for number in 0..<4 {
                _ = WorkerThread(name: "load-\(number)") { [self] in
                    var turn = 0
                    while !isOver.withLock({ $0 }) {
                        turn += 1
                        let result = committer.commit(put("\(number)-\(turn)"), until: soon)
                        done.update { done in
                            if case .success = result {
                                done.committed += 1
                            } else {
                                done.refused += 1
                            }
                        }
                    }
                }
            }
        }
    }

    /// It must hear that the group is written: under load there always is one.
    @Test func `holding under load takes no longer than the group at hand`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let load = Load(committer, put)
        defer { load.isOver.update { $0 = true } }
        _ = load.done.wait(until: soon) { $0.committed > 0 ? true : nil }
        var times: [Duration] = []
        for _ in 0..<50 {
            let start = MonotonicTime.now()
            try #require(committer.hold(until: soon))
            times.append(MonotonicTime.now() - start)
            let position = engine.state.position
            _ = Monitor(()).wait(until: .now() + .milliseconds(2)) { _ -> Void? in nil }
            #expect(engine.state.position == position, "what is held is not decided")
            committer.release()
            _ = Monitor(()).wait(until: .now() + .milliseconds(2)) { _ -> Void? in nil }
        }
        // A machine that stands still makes some of them late, but not half.
        #expect(times.sorted()[times.count / 2] < .seconds(1))
        #expect(load.done.withLock { $0.committed } > 0)
        #expect(load.done.withLock { $0.refused } == 0)
        committer.stop(until: soon)
    }

    @Test func `the handover is the last entry and everybody who waits is sent away`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let load = Load(committer, put)
        defer { load.isOver.update { $0 = true } }
        let change = ChangeTopology(changedBy: "tester", isHandover: true) { document, _, note in
            document.movingPrimary(
                to: document.primary,
                reign: Reign(term: document.reign.term + 1, holder: document.primary), note: note)
        }
        #expect(throws: CommitFailure.notPrimary) { try committer.handOver(change).get() }
        #expect(committer.hold(until: soon))
        let handover = try committer.handOver(change).get().position
        #expect(committer.stop(until: soon))
        #expect(engine.state.position == handover)
        let before = Position(
            index: LogIndex(handover.index.rawValue - 1),
            hash: try engine.log.position(at: LogIndex(handover.index.rawValue - 1)).hash)
        var reader = try engine.log.reader(after: before)
        let last = try #require(try reader.next(bytesMax: 1 << 20, through: handover.index))
        var stream = RecordStream(after: before)
        stream.push(last.bytes)
        let record = try #require(try stream.nextRun(bytesMax: 1 << 20)?.records.last)
        #expect(record.kind == .handover)
        #expect(record.reign < (engine.state.catalog.topology?.reign ?? record.reign))
        let isSentAway = load.done.wait(until: soon) { $0.refused > 0 ? true : nil }
        #expect(isSentAway == true)
        #expect(engine.state.position == handover)
    }

    @Test func `a handover that is refused leaves writes held until they are released`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        #expect(committer.hold(until: soon))
        let answers = Answers<Bool>()
        committer.submit(put("held")) { result in
            if case .success = result { answers.add(0, true) }
        }
        let change = ChangeTopology(changedBy: "tester", isHandover: true) { document, _, note in
            document.movingPrimary(
                to: NodeNumber(rawValue: 77),
                reign: Reign(term: 9, holder: NodeNumber(rawValue: 77)), note: note)
        }
        let position = engine.state.position
        if case .success = committer.handOver(change) { Issue.record("nobody is number 77") }
        #expect(engine.state.position == position)
        committer.release()
        #expect(answers.all(1) == [true])
        committer.stop(until: soon)
    }
}
