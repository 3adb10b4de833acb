import Engine
import Foundation
import Log
import Platform
import Testing

/// Random changes by two writers, against a model in memory, with restarts and crashes.
///
/// `CONVOY_SEED` repeats one run; which run it is stands in the test's argument, and is printed.
///
/// Answers come in the order of the log: in that order the model takes the changes, and must say
/// the same of each. What a crash leaves is compared with the model as of the position it says.
@Suite struct ModelTests {
    private struct Image: Sendable {
        var incarnation: Incarnation
        var position: Position
    }

    private struct Run: Sendable {
        /// With the clock of each.
        var taken: [(step: Step, time: UnixMilliseconds, outcome: Outcome)] = []
        var images: [Image] = []
        var versions: [ValueVersion] = []
        var groups = 0
        var underway = 0
        /// The highest that the wall clock has been: entries never go back.
        var time = UnixMilliseconds(rawValue: 0)
    }

    /// The same ones each time, and two that are new.
    private static let seeds: [UInt64] = {
        if let one = ProcessInfo.processInfo.environment["CONVOY_SEED"].flatMap(UInt64.init) {
            return [one]
        }
        let new = (0..<2).map { _ in UInt64.random(in: 1_000_000...UInt64(UInt32.max)) }
        return Array(0..<(isFull ? 200 : 12)) + new
    }()

    @Test(arguments: ModelTests.seeds)
    func `the engine holds what a model holds, whatever happens`(seed: UInt64) throws {
        print("the engine against a model: CONVOY_SEED=\(seed)")
        let directory = try TestDirectory()
        // Small segments, so that a log has several.
        var options = EngineOptions.test(segmentBytesMax: 16 << 10)
        let clock = TestClock()
        options.wallClock = { clock.now }
        let run = Monitor(Run())
        var last: Engine? = try Self.born(directory, options)
        for life in 0..<3 {
            // Some of what was written before has expired then.
            clock.move(by: 5_000)
            let position = try live(try #require(last), run, seed, life, directory, clock)
            let model = try model(of: run.withLock { $0 }, through: position.index)
            last = try Self.restarted(&last, copying: life == 0, directory, options)
            #expect(last?.state.position == position)
            try model.expectEqual(try #require(last), "seed \(seed), life \(life), restarted")
        }

        let all = run.withLock { $0 }
        #expect(all.taken.count > 500)
        for image in all.images {
            let (crashed, recovery) = try Engine.reopen(image.incarnation, options: options)
            #expect(recovery.cut == nil)
            #expect(crashed.state.position == image.position)
            try model(of: all, through: image.position.index)
                .expectEqual(crashed, "seed \(seed), image at \(image.position.index)")
        }
    }

    private static func born(_ directory: TestDirectory, _ options: EngineOptions) throws -> Engine
    {
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        committer.stop(until: soon)
        return engine
    }

    /// Flushes the state and copies the directory now and then, between two groups.
    private func watch(
        _ engine: Engine, _ run: Monitor<Run>, _ seed: UInt64, _ directory: TestDirectory
    ) {
        engine.observe { [unowned engine] state in
            let group = run.withLock { run in
                run.groups += 1
                return run.groups
            }
            var random = SplitMix64(seed: seed &+ UInt64(group) << 32)
            if Int.random(in: 0..<40, using: &random) == 0 { try? engine.flush() }
            if Int.random(in: 0..<30, using: &random) == 0 {
                guard let copy = try? directory.copy(of: engine, "image-\(group)") else { return }
                run.withLock {
                    $0.images.append(Image(incarnation: copy, position: state.position))
                }
            }
        }
    }

    /// One reign.
    private func live(
        _ engine: Engine, _ run: Monitor<Run>, _ seed: UInt64, _ life: Int,
        _ directory: TestDirectory, _ clock: TestClock
    ) throws -> Position {
        watch(engine, run, seed, directory)
        let committer = engine.nextCommitter()
        try committer.done(Barrier())
        inParallel(2) { writer in
            var random = SplitMix64(seed: seed &* 100 &+ UInt64(life * 2 + writer))
            for _ in 0..<300 {
                let versions = run.wait(until: soon) { run -> [ValueVersion]? in
                    guard run.underway < 8 else { return nil }
                    run.underway += 1
                    return run.versions.suffix(6)
                }
                var step = Step.random(&random, known: versions ?? [], clock.now)
                if case .jump(let seconds) = step { jump(by: seconds, clock, run, committer) }
                if case .expire = step {
                    let lines = try? engine.dueLines(ExpiryCursor(), countMax: 20)
                    step = .expire(lines ?? [])
                }
                let taken = step.aimed(by: engine.state.catalog)
                taken.submit(to: committer) { outcome in
                    run.update { run in
                        run.underway -= 1
                        run.time = max(run.time, clock.now)
                        run.taken.append((taken, run.time, outcome))
                        run.versions += outcome.versions.compactMap { $0 }
                    }
                }
            }
        }
        _ = run.wait(until: soon) { $0.underway == 0 ? true : nil }
        committer.stop(until: soon)
        let position = engine.state.position
        try model(of: run.withLock { $0 }, through: position.index)
            .expectEqual(engine, "seed \(seed), life \(life)")
        return position
    }

    /// Moves the clock while nothing but the caller's own step is underway, so that it is known of each
    /// entry whether it came before; and has an entry of that time, or nobody would know of the jump.
    private func jump(
        by seconds: Int, _ clock: TestClock, _ run: Monitor<Run>, _ committer: Committer
    ) {
        run.update { $0.underway -= 1 }
        _ = run.wait(until: soon) { run -> Bool? in
            guard run.underway == 0 else { return nil }
            clock.move(by: seconds)
            run.time = max(run.time, clock.now)
            run.underway += 1
            return true
        }
        _ = committer.commit(Barrier(), until: soon)
    }

    private func model(of run: Run, through index: LogIndex) throws -> Model {
        var model = Model()
        var last = LogIndex.zero
        for (step, time, outcome) in run.taken {
            if outcome.position.index > index { break }
            let expected = model.take(step, at: time, outcome)
            try #require(expected == outcome.what)
            for version in outcome.versions.compactMap({ $0 }) {
                #expect(version.index == outcome.position.index)
            }
            guard outcome.position.index > .zero else { continue }
            #expect(outcome.position.index >= last)
            last = outcome.position.index
        }
        return model
    }

    /// After a clean stop, or as after `kill -9`.
    private static func restarted(
        _ last: inout Engine?, copying: Bool, _ directory: TestDirectory, _ options: EngineOptions
    ) throws -> Engine {
        let incarnation = try #require(last).incarnation
        if copying, let engine = last {
            return try Engine.reopen(
                directory.copy(of: engine, "life-\(engine.state.position.index)"), options: options
            ).engine
        }
        last = nil
        // The committer's thread lets go of the old one a moment after it has ended.
        let deadline = soon
        while true {
            do { return try Engine.reopen(incarnation, options: options).engine } catch {
                guard MonotonicTime.now() < deadline else { throw error }
            }
        }
    }
}
