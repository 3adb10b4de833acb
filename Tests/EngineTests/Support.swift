public import Engine
import Foundation
import Log
import Platform
import Testing
import Topology

/// A directory of a test's own, removed with the last reference.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "\(NSTemporaryDirectory())/convoy-engine-\(UUID().uuidString)"
        try FileSystem.createDirectory(path)
    }

    deinit { try? FileSystem.removeTree(path) }  // Nothing depends on it.

    var diverged: String { "\(path)/diverged" }

    /// The incarnation that tests use when they have one.
    var incarnation: Incarnation { Incarnation(path: "\(path)/data/i000001") }
}

private struct NeverStill: Error {
    let path: String
}

/// Copies a directory as it is, also while a process writes to it: what `kill -9` would leave.
///
/// The log is complete in it. Of the database there is what is in its files; the rest is lost.
func copyTree(_ source: String, to target: String) throws {
    guard source.hasSuffix("/db") else { return try copyFiles(of: source, to: target) }
    // RocksDB writes files in the background: a kill leaves those of one moment, so a copy counts
    // only when nothing has changed meanwhile.
    for _ in 0..<200 {
        let before = try sizes(in: source)
        do {
            try copyFiles(of: source, to: target)
            if try sizes(in: source) == before { return }
        } catch is FileError {
            // A file that was listed is gone.
        }
        try FileSystem.removeTree(target)
    }
    throw NeverStill(path: source)
}

private func sizes(in path: String) throws -> [String: UInt64] {
    var sizes: [String: UInt64] = [:]
    for name in try FileSystem.list(path) {
        sizes[name] = try? UInt64(FileSystem.size("\(path)/\(name)"))
    }
    return sizes
}

private func copyFiles(of source: String, to target: String) throws {
    try FileSystem.createDirectory(target)
    for name in try FileSystem.list(source) {
        let path = "\(source)/\(name)"
        if (try? FileSystem.list(path)) != nil {
            try copyTree(path, to: "\(target)/\(name)")
        } else if FileSystem.exists(path) {
            let file = try File("\(target)/\(name)", .create)
            // Not for empty ones: the standard library then writes to an array that all share, which
            // ThreadSanitizer reports.
            if try FileSystem.size(path) > 0 { try file.append(FileSystem.readAll(path)) }
        }
    }
}

/// Pseudo-random numbers from a seed.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}

let testLineage = Lineage(id: Hash128(high: 0xC0, low: 0x17))
let firstReign = Reign(term: 1, holder: NodeNumber(rawValue: 1))
/// From now on: what is waited for so long has failed.
var soon: MonotonicTime { .now() + .seconds(300) }

func founder() throws -> NodeRecord {
    NodeRecord(
        number: NodeNumber(rawValue: 1), name: try #require(NodeName("n1")),
        address: try #require(NodeAddress("http://127.0.0.1:7070")))
}

extension NamespaceName: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let name = NamespaceName(rawValue: text) else { fatalError("no name: \(text)") }
        self = name
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension EngineOptions {
    /// No syncs: what tests kill is a process, not a machine.
    static func test(segmentBytesMax: UInt64 = 64 << 20, _ policy: SyncPolicy = .os)
        -> EngineOptions
    {
        var options = EngineOptions()
        options.log = LogOptions(segmentBytesMax: segmentBytesMax, syncPolicy: policy)
        options.blockCacheBytes = 8 << 20
        options.memtableBytes = 8 << 20
        return options
    }
}

extension Engine {
    /// A cluster of one, just born, and its committer.
    static func found(
        in incarnation: Incarnation, lineage: Lineage = testLineage,
        options: EngineOptions = .test()
    ) throws -> (engine: Engine, committer: Committer) {
        let engine = try create(in: incarnation, lineage: lineage, options: options)
        let committer = Committer(engine: engine, reign: firstReign)
        try committer.done(Birth(lineage: lineage, founder: founder()))
        return (engine, committer)
    }

    static func reopen(
        _ incarnation: Incarnation, synced: LogIndex = .zero, options: EngineOptions = .test()
    ) throws -> (engine: Engine, recovery: LogRecovery) {
        try open(
            incarnation, synced: synced, diverged: incarnation.path + "-diverged", options: options)
    }

    /// A committer in the next reign.
    func nextCommitter() -> Committer {
        let reign = state.header.reign
        return Committer(
            engine: self,
            reign: Reign(term: reign.term + 1, holder: NodeNumber(rawValue: 1)))
    }

    func namespace(_ name: NamespaceName) throws -> Namespace {
        try #require(state.catalog.namespace(named: name))
    }

    func value(_ name: NamespaceName, _ key: String) throws -> String? {
        try value(of: bytes(key), in: namespace(name)).map {
            String(decoding: $0.bytes, as: UTF8.self)
        }
    }

    /// Every key of a namespace with its value, in pages.
    func contents(_ name: NamespaceName, page: Int = 100) throws -> [(
        key: [UInt8], value: StoredValue
    )] {
        let namespace = try namespace(name)
        var found: [(key: [UInt8], value: StoredValue)] = []
        while true {
            let view = try self.view(of: namespace.record.id)
            let keys = try #require(view).keys(
                prefix: [], after: found.last?.key, .init(countMax: page, hiddenMax: .max))
            for listing in keys.items {
                let value = try #require(try value(of: listing.key, in: namespace))
                #expect(listing.head.version == value.version)
                #expect(listing.head.bytes == value.bytes.count)
                found.append((listing.key, value))
            }
            if keys.next == nil { return found }
        }
    }

    /// The records from after `position` on, with their bytes, in runs as a feed would bring them.
    func runs(after position: Position, bytesMax: Int = 256 << 10) throws -> [RecordRun] {
        var reader = try log.reader(after: position)
        var stream = RecordStream(after: position)
        var runs: [RecordRun] = []
        while let chunk = try reader.next(bytesMax: bytesMax, through: log.last.index) {
            stream.push(chunk.bytes)
            while let run = try stream.nextRun(bytesMax: bytesMax) { runs.append(run) }
        }
        return runs
    }
}

/// A change was not committed where the test needs it to be.
struct NotCommitted: Error {
    let failure: CommitFailure?
}

extension Committer {
    /// Commits, and fails the test when that is refused.
    @discardableResult
    func done<C: Change>(_ change: C) throws -> C.Answer { try committed(change).answer }

    func committed<C: Change>(_ change: C) throws -> Committed<C.Answer> {
        switch commit(change, until: soon) {
        case .success(let committed): return committed
        case .failure(let failure): throw NotCommitted(failure: failure)
        case nil: throw NotCommitted(failure: nil)
        }
    }

    /// What it is refused for; nil when it is not.
    func refusal<C: Change>(_ change: C) -> Refusal? {
        guard case .failure(.refused(let refusal)) = commit(change, until: soon) else { return nil }
        return refusal
    }

    @discardableResult
    func put(_ name: NamespaceName, _ key: String, _ value: String) throws -> ValueVersion? {
        let write = KeyWrite.put(key: bytes(key), value: bytes(value))
        return try done(WriteKeys(namespace: name, writes: [write])).first?.version
    }

    func create(_ names: NamespaceName...) throws {
        try done(CreateNamespaces(names.map { NamespaceSeed(name: $0) }))
    }
}

extension KeyWriteResult {
    var version: ValueVersion? {
        switch self {
        case .created(let version), .replaced(let version): version
        case .incremented(let version, _, _), .appended(let version, _, _): version
        case .deleted, .absent: nil
        }
    }
}

/// Waits until all of `count` callbacks have come, and keeps what they brought.
final class Answers<Value: Sendable>: Sendable {
    private let state = Monitor<[(place: Int, value: Value)]>([])

    func add(_ place: Int, _ value: Value) { state.update { $0.append((place, value)) } }

    /// In order of places; nil when they do not come in time.
    func all(_ count: Int) -> [Value]? {
        state.wait(until: soon) { answers in
            answers.count < count
                ? nil : answers.sorted { $0.place < $1.place }.map(\.value)
        }
    }
}

/// Runs `body` on threads of its own and returns when all have ended.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { number in
        WorkerThread(name: "test-\(number)") { body(number) }
    }
    for thread in threads { _ = thread.join(until: .now() + .seconds(300)) }
}

let isFull = ProcessInfo.processInfo.environment["CONVOY_FULL"] != nil
let isBench = ProcessInfo.processInfo.environment["CONVOY_BENCH"] != nil
