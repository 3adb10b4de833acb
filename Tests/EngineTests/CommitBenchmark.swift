import Engine
import Foundation
import Log
import Platform
import Synchronization
import Testing

/// Prints figures; gates nothing. Run with
/// `CONVOY_BENCH=1 swift test -c release -Xswiftc -enable-testing --filter CommitBenchmark`.
@Suite(.serialized, .enabled(if: isBench)) struct CommitBenchmark {
    static let value = [UInt8](repeating: 0x61, count: 128)

    private static func put(_ random: inout SplitMix64) -> WriteKeys {
        let key = "key:\(UInt64.random(in: 0..<1_000_000, using: &random))"
        return WriteKeys(
            namespace: .default, writes: [.put(key: Array(key.utf8), value: value)])
    }

    /// Threads that each wait for their answer before the next change, as HTTP clients do.
    @Test(arguments: [1, 16, 64])
    func `commits per second, each thread waits for its own`(threads: Int) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(
            in: directory.incarnation, options: EngineOptions())
        let total = 400_000
        let before = engine.state.position.index.rawValue
        let start = MonotonicTime.now()
        inParallel(threads) { number in
            var random = SplitMix64(seed: UInt64(number))
            for _ in 0..<total / threads { _ = committer.commit(Self.put(&random)) }
        }
        let seconds = (MonotonicTime.now() - start).inSeconds
        let entries = engine.state.position.index.rawValue - before
        print(
            "\(threads) waiting threads: \(Int(Double(total) / seconds)) commits/s,",
            "\(Double(total / Int(entries) * 10) / 10) a group")
        committer.stop(until: soon)
    }

    /// One thread that keeps `window` changes under way, as an event loop does.
    @Test(arguments: [1, 16, 64, 1_024])
    func `commits per second, with a window of unanswered ones`(window: Int) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(
            in: directory.incarnation, options: EngineOptions())
        let total = 400_000
        let before = engine.state.position.index.rawValue
        let open = Monitor(0)
        var random = SplitMix64(seed: 1)
        let start = MonotonicTime.now()
        for _ in 0..<total {
            let taken: Void? = open.wait(until: soon) { count -> Void? in
                guard count < window else { return nil }
                count += 1
                return ()
            }
            guard taken != nil else { break }
            committer.submit(Self.put(&random)) { _ in
                open.update { $0 -= 1 }
            }
        }
        _ = open.wait(until: soon) { $0 == 0 ? true : nil }
        let seconds = (MonotonicTime.now() - start).inSeconds
        let entries = engine.state.position.index.rawValue - before
        print(
            "window \(window): \(Int(Double(total) / seconds)) commits/s,",
            "\(Double(total) / Double(entries)) a group")
        committer.stop(until: soon)
    }

    @Test(arguments: [128, 1_024, 16_384])
    func `writes per second in batches, applied and replayed`(valueBytes: Int) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(
            in: directory.incarnation, options: EngineOptions())
        var random = SplitMix64(seed: 1)
        let value = [UInt8](repeating: 0x61, count: valueBytes)
        let (batches, size) = (min(20_000, (400 << 20) / (32 * valueBytes)), 32)
        var start = MonotonicTime.now()
        for _ in 0..<batches {
            let writes = (0..<size).map { _ in
                let key = "key:\(UInt64.random(in: 0..<1_000_000, using: &random))"
                return KeyWrite.put(key: Array(key.utf8), value: value)
            }
            try committer.done(WriteKeys(namespace: .default, writes: writes))
        }
        func say(_ what: String, since start: MonotonicTime) {
            let seconds = (MonotonicTime.now() - start).inSeconds
            let rate = Int(Double(batches * size) / seconds)
            print(
                "\(what): \(rate) writes/s, \(Int(Double(engine.log.bytes) / seconds / 1e6)) MB/s")
        }
        say("\(valueBytes) B in batches of \(size), one thread", since: start)
        committer.stop(until: soon)

        let other = Incarnation(path: directory.path + "/other")
        let replica = try Engine.create(
            in: other, lineage: testLineage, options: EngineOptions())
        let runs = try engine.runs(after: .origin)
        start = .now()
        for run in runs { try replica.apply(run.records, encoded: run.encoded) }
        say("  applied by a replica, 256 KiB at a time", since: start)
        #expect(replica.state.position == engine.state.position)

        // The log alone, as after a crash that came before the first flush.
        let left = Incarnation(path: directory.path + "/left")
        _ = try Engine.create(in: left, lineage: testLineage, options: EngineOptions())
        try FileSystem.removeTree(left.logPath)
        try copyTree(directory.incarnation.logPath, to: left.logPath)
        start = .now()
        let (replayed, _) = try Engine.reopen(left, options: EngineOptions())
        say("  replayed at a start", since: start)
        #expect(replayed.state.position == engine.state.position)
    }
}
