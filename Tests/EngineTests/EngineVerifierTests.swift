import Log
import Platform
import RocksDB
import Testing

@testable import Engine

@Suite struct EngineVerifierTests {
    /// A data directory with a bit of everything, whose state is partly in files and partly in the
    /// log alone.
    private func dataDirectory(
        _ root: TestDirectory, flushing: Bool = true
    ) throws -> (path: String, last: Position, persisted: Position) {
        let path = root.path + "/node"
        let engine: Engine
        let committer: Committer
        do {
            let directory = try DataDirectory(path: path)
            let incarnation = try directory.makeIncarnation()
            (engine, committer) = try Engine.found(
                in: incarnation, options: .test(segmentBytesMax: 4 << 10))
            try directory.makeCurrent(incarnation)
        }
        let token = TokenSeed(lookupID: "abc", algorithm: "sha256", hash: [1])
        try committer.done(CreateNamespaces([NamespaceSeed(name: "a", token: token)]))
        try committer.create("b", "c")
        for turn in 0..<60 {
            try committer.put("a", "k\(turn)", "value \(turn)")
            try committer.put("b", "k\(turn)", "value \(turn)")
        }
        try committer.done(FlushNamespace(name: "b"))
        try committer.put("b", "after", "flush")
        try committer.done(DeleteNamespace(name: "c"))
        if flushing { try engine.flush() }
        let persisted = flushing ? engine.state.position : .origin
        for turn in 0..<30 { try committer.put("a", "later\(turn)", "v") }
        try committer.create("d")
        committer.stop(until: soon)
        let copy = root.path + "/copy"
        try copyTree(path, to: copy)
        return (copy, engine.state.position, persisted)
    }

    private func files(_ path: String, _ suffix: String) throws -> [String] {
        try FileSystem.list(path).filter { $0.hasSuffix(suffix) }.map { "\(path)/\($0)" }
    }

    private func flip(_ path: String, at offset: Int) throws {
        var bytes = try FileSystem.readAll(path)
        bytes[offset] ^= 0x10
        try FileSystem.remove(path)
        let file = try File(path, .create)
        try file.append(bytes)
    }

    /// Writes to the database behind the engine's back.
    private func write(_ path: String, _ fill: (inout WriteOperations) -> Void) throws {
        let database = try Database(
            path: path + "/data/i000001/db", options: DatabaseOptions())
        var operations = WriteOperations()
        fill(&operations)
        var batch = ByteWriter()
        batch.append([UInt8](repeating: 0, count: 8))
        batch.little(operations.count)
        batch.append(operations.bytes)
        try database.write(batch: batch.bytes)
        try database.flush()
    }

    /// Every file of a directory with its bytes.
    private func fingerprint(_ path: String) throws -> [String: Hash128] {
        var found: [String: Hash128] = [:]
        for name in try FileSystem.list(path) {
            let below = "\(path)/\(name)"
            if (try? FileSystem.list(below)) != nil {
                found.merge(try fingerprint(below)) { a, _ in a }
            } else {
                found[below] = Hash128(of: try FileSystem.readAll(below))
            }
        }
        return found
    }

    @Test(arguments: [true, false])
    func `a sound directory is sound, and nothing in it is changed`(flushing: Bool) throws {
        let root = try TestDirectory()
        let (path, last, persisted) = try dataDirectory(root, flushing: flushing)
        let before = try fingerprint(path)
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.position == persisted)
        #expect(report.replayedPosition == last)
        #expect(report.log?.last == last)
        #expect(report.namespaces == 4)
        #expect(report.keys == (flushing ? 61 : 0))
        #expect(try fingerprint(path) == before)
        // And again, after a start that replayed and closed.
        do { _ = try Engine.reopen(Incarnation(path: path + "/data/i000001")) }
        let second = EngineVerifier.verify(dataPath: path)
        #expect(second.findings.isEmpty, "\(second.findings)")
        #expect(second.position == last)
        #expect(second.keys == 91)
    }

    @Test func `a directory in use is not read`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let holder = try DataDirectory(path: path)
        let report = EngineVerifier.verify(dataPath: path)
        #expect(!report.isSound)
        #expect(report.findings.map(\.place) == [holder.path + "/LOCK"])
        #expect(report.position == nil)
    }

    @Test func `directories without a state are told as that`() throws {
        let root = try TestDirectory()
        do { _ = try DataDirectory(path: root.path + "/empty") }
        let report = EngineVerifier.verify(dataPath: root.path + "/empty")
        #expect(report.isSound)
        #expect(report.findings.count == 1)
        #expect(!EngineVerifier.verify(dataPath: root.path + "/missing").isSound)
        #expect(try FileSystem.list(root.path) == ["empty"])

        let (path, _, _) = try dataDirectory(root)
        try FileSystem.replace(path + "/CURRENT", with: bytes("i000009\n"))
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
        try FileSystem.replace(path + "/CURRENT", with: bytes("nonsense"))
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
    }

    @Test func `what was left over is noted`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        try FileSystem.createDirectory(path + "/data/i000002")
        for number in 0..<30 { _ = try File("\(path)/diverged/\(number).bytes", .create) }
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.isSound)
        #expect(report.findings.contains { $0.place.hasSuffix("data/i000002") })
        #expect(report.findings.count == 1 + 20 + 1)
    }

    @Test(arguments: UInt64(0)..<12)
    func `a flipped byte in the log is found`(seed: UInt64) throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        var random = SplitMix64(seed: seed)
        // Not the newest: there it would be a torn tail.
        let segments = try files(path + "/data/i000001/log", ".log").dropLast()
        let segment = try #require(segments.randomElement(using: &random))
        let size = Int(try FileSystem.size(segment))
        try flip(segment, at: Int.random(in: 0..<size, using: &random))
        let report = EngineVerifier.verify(dataPath: path)
        #expect(!report.isSound)
        #expect(
            report.findings.contains { $0.weight == .damage && $0.place.hasPrefix(segment) },
            "\(report.findings)")
    }

    @Test(arguments: UInt64(0)..<12)
    func `a flipped byte in a table of the state is found`(seed: UInt64) throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        var random = SplitMix64(seed: seed)
        let tables = try files(path + "/data/i000001/db", ".sst")
        let table = try #require(tables.first)
        // In the blocks of data, which come first.
        try flip(table, at: Int.random(in: 0..<1_000, using: &random))
        let report = EngineVerifier.verify(dataPath: path)
        #expect(!report.isSound)
        #expect(report.findings.contains { $0.place.contains("i000001/db") }, "\(report.findings)")
    }

    @Test func `a missing segment is damage`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let segments = try files(path + "/data/i000001/log", ".log")
        try #require(segments.count > 3)
        try FileSystem.remove(segments[segments.count - 2])
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
    }

    @Test func `a log that begins behind the state is damage`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root, flushing: false)
        let segments = try files(path + "/data/i000001/log", ".log")
        try FileSystem.remove(segments[0])
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
    }

    @Test func `a torn tail is a note, unless its entry was on disk`() throws {
        let root = try TestDirectory()
        let (path, last, _) = try dataDirectory(root)
        let segment = try #require(try files(path + "/data/i000001/log", ".log").last)
        let file = try File(segment, .append)
        try file.truncate(to: file.size() - 5)
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.isSound, "\(report.findings)")
        #expect(report.findings.count == 1)
        #expect(report.replayedPosition?.index.next == last.index)
        let known = EngineVerifier.verify(dataPath: path, synced: { _ in last.index })
        #expect(!known.isSound)
    }

    @Test func `a state ahead of its log is a note, unless an entry is lost`() throws {
        let root = try TestDirectory()
        let (path, last, persisted) = try dataDirectory(root)
        let log = path + "/data/i000001/log"
        for segment in try files(log, ".log").dropFirst() { try FileSystem.remove(segment) }
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.isSound, "\(report.findings)")
        #expect(report.findings.count == 1)
        #expect(report.replayedPosition == persisted)
        #expect(EngineVerifier.verify(dataPath: path, synced: { _ in persisted.index }).isSound)
        #expect(!EngineVerifier.verify(dataPath: path, synced: { _ in last.index }).isSound)
    }

    @Test func `a log of another history is found`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let other = try TestDirectory()
        let (stranger, _, _) = try dataDirectory(other)
        let log = path + "/data/i000001/log"
        try FileSystem.removeTree(log)
        try copyTree(stranger + "/data/i000001/log", to: log)
        let report = EngineVerifier.verify(dataPath: path)
        #expect(
            report.findings.contains { $0.what.contains("another history") }, "\(report.findings)")
    }

    /// Its log's files keep the lineage that they were made with, which was taken for damage.
    @Test func `a node that forked is sound`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let incarnation = Incarnation(path: path + "/data/i000001")
        let (engine, _) = try Engine.reopen(incarnation)
        let reign = Reign(term: 9, holder: NodeNumber(rawValue: 1))
        let committer = Committer(engine: engine, reign: reign)
        let fork = Lineage(id: Hash128(high: 5, low: 5))
        let operation = OperationRecord(
            id: "op", type: "fork", state: .succeeded, subject: "n1",
            createdAt: UnixMilliseconds(rawValue: 1), createdBy: "test")
        try committer.done(
            Fork(lineage: fork, reign: reign, founder: founder(), operation: operation))
        try committer.put(.default, "after", "fork")
        for isFlushed in [false, true] {
            if isFlushed { try engine.flush() }
            let copy = "\(root.path)/forked-\(isFlushed)"
            try copyTree(path, to: copy)
            let report = EngineVerifier.verify(dataPath: copy)
            #expect(report.findings.isEmpty, "\(report.findings)")
            #expect(report.replayedPosition == engine.state.position)
            let (again, _) = try Engine.reopen(Incarnation(path: copy + "/data/i000001"))
            #expect(again.state.header == engine.state.header)
            #expect(again.state.header.lineage == fork)
        }
        committer.stop(until: soon)
    }

    @Test func `a wrong counter is found`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        try write(path) {
            $0.put(Key.counters(NamespaceID(rawValue: 2)), Usage(keys: 61, bytes: 1).encoded())
            $0.put(Key.counters(NamespaceID(rawValue: 99)), Usage(keys: 1, bytes: 1).encoded())
        }
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.findings.map(\.weight) == [.damage, .damage])
        #expect(report.findings[1].place.hasSuffix("namespace 'a'"))
    }

    @Test func `keys where none can be are found`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let value = StoredValue(
            version: ValueVersion(index: LogIndex(2), ordinal: 0), bytes: [1]
        ).encoded()
        let late = StoredValue(
            version: ValueVersion(index: LogIndex(1 << 40), ordinal: 0), bytes: [1]
        ).encoded()
        let a = NamespaceID(rawValue: 2)
        try write(path) {
            $0.put(Key.data(NamespaceID(rawValue: 50), epoch: 1, [1]), value)  // Of no namespace.
            $0.put(Key.data(a, epoch: 2, [1]), value)  // Of an epoch yet to come.
            $0.put(Key.data(a, epoch: 0, [1]), value)  // Of one gone by: a note.
            $0.put(Key.data(a, epoch: 1, []), value)  // Without a user's key.
            $0.put(Key.data(a, epoch: 1, bytes("k1")), [9])  // No value; and the counters differ.
            $0.put(Key.data(a, epoch: 1, bytes("k2")), late)  // From an entry yet to come.
            $0.put([0x70, 1], [1])
        }
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.findings.filter { $0.weight == .note }.count == 1)
        #expect(report.findings.count == 8, "\(report.findings)")
    }

    @Test func `a catalog that is not what its digest says is found`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        let token = TokenRecord(
            lookupID: "forged", namespace: .default, algorithm: "sha256", hash: [1],
            createdAt: UnixMilliseconds(rawValue: 1))
        try write(path) { $0.put(Key.catalog(.token, Array("forged".utf8)), token.encoded()) }
        let report = EngineVerifier.verify(dataPath: path)
        #expect(report.findings.count == 1)
        #expect(report.findings.first?.what.contains("digest") == true)
        #expect(throws: EngineError.self) {
            try Engine.reopen(Incarnation(path: path + "/data/i000001"))
        }
        try write(path) { $0.put(Key.catalog(.namespace, [0, 0, 0, 9]), [1, 2, 3]) }
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
    }

    @Test func `a state without a header is damage`() throws {
        let root = try TestDirectory()
        let (path, _, _) = try dataDirectory(root)
        try write(path) { $0.delete(Key.header) }
        #expect(!EngineVerifier.verify(dataPath: path).isSound)
    }
}
