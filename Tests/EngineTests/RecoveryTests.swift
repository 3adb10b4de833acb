import Engine
import Log
import Platform
import Testing

@Suite struct RecoveryTests {
    @Test func `everything acknowledged is there after kill -9, flushed or not`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        for turn in 0..<30 {
            try committer.put(.default, "k\(turn)", "v\(turn)")
            if turn == 12 { try engine.flush() }
        }
        let (crashed, recovery) = try Engine.reopen(try directory.copy(of: engine))
        #expect(crashed.state.header == engine.state.header)
        #expect(
            try crashed.contents(.default).map(\.value) == engine.contents(.default).map(\.value))
        #expect(recovery.cut == nil)
        #expect(recovery.renewal == nil)
        committer.stop(until: soon)
    }

    @Test func `a torn last entry is cut, and the rest stays`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.put(.default, "a", "1")
        let kept = engine.state.position
        try committer.put(.default, "b", "2")
        let copy = try directory.copy(of: engine)
        try shorten(copy, by: 3)
        let (crashed, recovery) = try Engine.reopen(copy)
        #expect(recovery.cut?.after == kept)
        #expect(crashed.state.position == kept)
        #expect(try crashed.value(.default, "a") == "1")
        #expect(try crashed.value(.default, "b") == nil)
        // The place is taken by another entry.
        let next = crashed.nextCommitter()
        try next.put(.default, "c", "3")
        next.stop(until: soon)
        #expect(crashed.state.position.index == kept.index.next)
        committer.stop(until: soon)
    }

    @Test func `an entry known to be on disk that is gone is not accepted`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.put(.default, "a", "1")
        try committer.put(.default, "b", "2")
        let copy = try directory.copy(of: engine)
        try shorten(copy, by: 3)
        #expect(throws: EngineError.self) {
            try Engine.reopen(copy, synced: engine.state.position.index)
        }
        committer.stop(until: soon)
    }

    /// After a power cut the state can be on disk, and the log's end not.
    @Test func `a state ahead of its log opens, and goes on behind itself`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        for turn in 0..<20 { try committer.put(.default, "k\(turn)", "v") }
        let logThen = try directory.copy(of: engine, "then")
        for turn in 20..<40 { try committer.put(.default, "k\(turn)", "v") }
        try engine.flush()
        let copy = try directory.copy(of: engine)
        try FileSystem.removeTree(copy.logPath)
        try copyTree(logThen.logPath, to: copy.logPath)

        let (ahead, recovery) = try Engine.reopen(copy)
        let position = engine.state.position
        #expect(recovery.renewal?.state == position)
        #expect(ahead.state.position == position)
        #expect(ahead.log.first == position.index.next)
        #expect(ahead.log.last == position)
        #expect(try ahead.contents(.default).count == 40)
        let next = ahead.nextCommitter()
        try next.put(.default, "after", "1")
        #expect(throws: LogError.notRetained(first: position.index.next)) {
            try ahead.log.reader(after: .origin)
        }
        #expect(try ahead.runs(after: position).flatMap(\.records).count == 1)

        let (again, second) = try Engine.reopen(try directory.copy(of: ahead, "again"))
        #expect(second.renewal == nil)
        #expect(again.state.position == ahead.state.position)
        #expect(try again.value(.default, "after") == "1")
        next.stop(until: soon)
        committer.stop(until: soon)
    }

    @Test func `a state of another history than its log is refused`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let (other, second) = try Engine.found(in: Incarnation(path: directory.path + "/other"))
        for turn in 0..<5 {
            try committer.put(.default, "a\(turn)", "1")
            try second.put(.default, "b\(turn)", "22")
        }
        try engine.flush()
        for _ in 0..<5 { try second.done(Barrier()) }
        let copy = try directory.copy(of: engine)
        try FileSystem.removeTree(copy.logPath)
        try copyTree(other.incarnation.logPath, to: copy.logPath)
        #expect(throws: EngineError.self) { try Engine.reopen(copy) }
        committer.stop(until: soon)
        second.stop(until: soon)
    }

    @Test func `a log whose entries the state needs must reach back to it`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(
            in: directory.incarnation, options: .test(segmentBytesMax: 1_000))
        for turn in 0..<40 { try committer.put(.default, "k\(turn)", "v") }
        let copy = try directory.copy(of: engine)
        let segments = try FileSystem.list(copy.logPath)
        #expect(segments.count > 3)
        try FileSystem.remove("\(copy.logPath)/\(segments[0])")
        #expect(throws: EngineError.self) { try Engine.reopen(copy) }
        committer.stop(until: soon)
    }

    @Test func `retention keeps what the state on disk lacks`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(
            in: directory.incarnation, options: .test(segmentBytesMax: 1_000))
        for turn in 0..<40 { try committer.put(.default, "k\(turn)", "v") }
        #expect(try engine.persistedIndex() == .zero)
        try engine.flush()
        let persisted = try engine.persistedIndex()
        #expect(persisted == engine.state.position.index)
        for turn in 40..<60 { try committer.put(.default, "k\(turn)", "v") }
        #expect(try engine.persistedIndex() == persisted)
        try engine.log.trim(keepingFrom: persisted.next, bytesMin: 0)
        #expect(engine.log.first > LogIndex(1))
        let (crashed, _) = try Engine.reopen(try directory.copy(of: engine))
        #expect(try crashed.contents(.default).count == 60)
        committer.stop(until: soon)
    }

    private func shorten(_ incarnation: Incarnation, by count: UInt64) throws {
        let name = try #require(try FileSystem.list(incarnation.logPath).last)
        let file = try File("\(incarnation.logPath)/\(name)", .append)
        try file.truncate(to: file.size() - count)
    }
}
