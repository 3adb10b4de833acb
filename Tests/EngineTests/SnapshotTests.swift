import Engine
import Log
import Platform
import Testing

@Suite struct SnapshotTests {
    @Test func `a checkpoint and the log behind it give the state`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a")
        for turn in 0..<50 { try committer.put("a", "k\(turn)", "v") }
        let fetched = Incarnation(path: directory.path + "/fetched")
        try FileSystem.createDirectory(fetched.path)
        try engine.checkpoint(to: fetched.databasePath)
        let position = engine.state.position
        #expect(try Engine.position(ofCheckpoint: fetched.databasePath) == engine.state.header)

        try committer.done(FlushNamespace(name: "a"))
        for turn in 50..<70 { try committer.put("a", "k\(turn)", "v") }
        let loaded = try Engine.openSnapshot(fetched, expecting: position, options: .test())
        #expect(loaded.state.position == position)
        #expect(loaded.log.last == position)
        #expect(loaded.log.lineage == testLineage)
        #expect(try loaded.contents("a").count == 50)
        for run in try engine.runs(after: position) {
            try loaded.apply(run.records, encoded: run.encoded)
        }
        #expect(loaded.state.header == engine.state.header)
        #expect(try loaded.contents("a").map(\.value) == engine.contents("a").map(\.value))
        #expect(try loaded.namespace("a").currentUsage == engine.namespace("a").currentUsage)

        let (reopened, _) = try Engine.reopen(try directory.copy(of: loaded))
        #expect(reopened.state.header == engine.state.header)
        committer.stop(until: soon)
    }

    /// The position comes from the checkpoint itself: writes go on while it is made.
    @Test func `a checkpoint under load stands at one position of the log`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let isDone = Monitor(false)
        let writer = WorkerThread(name: "writer") {
            var turn = 0
            while !isDone.withLock({ $0 }) {
                // Each write moves a unit from one key to the other.
                let change = WriteKeys(
                    namespace: .default,
                    writes: [
                        .put(key: bytes("left"), value: bytes("\(turn)")),
                        .put(key: bytes("right"), value: bytes("\(-turn)")),
                    ])
                guard case .success = committer.commit(change) else { return }
                turn += 1
            }
        }
        for round in 0..<6 {
            let fetched = Incarnation(path: directory.path + "/fetched-\(round)")
            try FileSystem.createDirectory(fetched.path)
            try engine.checkpoint(to: fetched.databasePath)
            let header = try Engine.position(ofCheckpoint: fetched.databasePath)
            try engine.log.check(header.position)
            let loaded = try Engine.openSnapshot(
                fetched, expecting: header.position, options: .test())
            let left = try loaded.value(.default, "left").flatMap { Int($0) } ?? 0
            let right = try loaded.value(.default, "right").flatMap { Int($0) } ?? 0
            #expect(left + right == 0)
            for run in try engine.runs(after: header.position) {
                try loaded.apply(run.records, encoded: run.encoded)
            }
            try engine.log.check(loaded.state.position)
        }
        isDone.update { $0 = true }
        #expect(writer.join(until: soon))
        committer.stop(until: soon)
    }

    @Test func `a snapshot that stands elsewhere than the upstream said is refused`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.put(.default, "a", "1")
        let fetched = Incarnation(path: directory.path + "/fetched")
        try FileSystem.createDirectory(fetched.path)
        try engine.checkpoint(to: fetched.databasePath)
        try committer.put(.default, "b", "1")
        #expect(throws: EngineError.self) {
            try Engine.openSnapshot(
                fetched, expecting: engine.state.position, options: .test())
        }
        var position = engine.state.position
        position.hash = .zero
        #expect(throws: EngineError.self) {
            try Engine.openSnapshot(fetched, expecting: position, options: .test())
        }
        committer.stop(until: soon)
    }

    @Test func `looking at a checkpoint adds no file to it`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let path = directory.path + "/checkpoint"
        try engine.checkpoint(to: path)
        let names = try FileSystem.list(path)
        _ = try Engine.position(ofCheckpoint: path)
        #expect(try FileSystem.list(path) == names)
        committer.stop(until: soon)
    }

    @Test func `a directory without a database is no state`() throws {
        let directory = try TestDirectory()
        try FileSystem.createDirectory(directory.incarnation.databasePath)
        #expect(throws: EngineError.self) { try Engine.reopen(directory.incarnation) }
        #expect(throws: EngineError.self) {
            try Engine.openSnapshot(
                directory.incarnation, expecting: .origin, options: .test())
        }
        #expect(throws: EngineError.self) {
            try Engine.position(ofCheckpoint: directory.incarnation.databasePath)
        }
    }
}
