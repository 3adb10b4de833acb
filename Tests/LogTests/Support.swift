import Foundation
import Log
import Platform

/// A directory of a test's own, removed with the last reference.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "\(NSTemporaryDirectory())/convoy-log-\(UUID().uuidString)"
        try FileSystem.createDirectory(path)
    }

    deinit { try? FileSystem.removeTree(path) }  // Nothing depends on it.

    var log: String { "\(path)/log" }
    var diverged: String { "\(path)/diverged" }

    /// A copy of a log's files, to damage.
    func copyLog(to other: TestDirectory) throws {
        try FileSystem.removeTree(other.path)
        try FileSystem.createDirectory(other.log)
        for name in try FileSystem.list(log) {
            try FileSystem.replace(
                "\(other.log)/\(name)", with: FileSystem.readAll("\(log)/\(name)"))
        }
    }

    func segments() throws -> [String] { try FileSystem.list(log).map { "\(log)/\($0)" } }
}

let testLineage = Lineage(id: Hash128(high: 0xC0, low: 0x17))
let reign = Reign(term: 3, holder: NodeNumber(rawValue: 1))

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
}

/// Records that follow one another, with payloads of the given sizes and a content that tells them
/// apart.
func records(
    after position: Position = .origin, payloadBytes sizes: [Int], reign: Reign = reign
) -> [Record] {
    var before = position
    return sizes.map { size in
        let index = before.index.rawValue + 1
        let record = Record(
            after: before, reign: reign, kind: index == 1 ? .birth : .data,
            time: UnixMilliseconds(rawValue: 1_000 + index),
            payload: (0..<size).map { UInt8(truncatingIfNeeded: UInt64($0) &* 7 &+ index) })
        before = record.position
        return record
    }
}

func records(after position: Position = .origin, count: Int, bytes: Int = 20) -> [Record] {
    records(after: position, payloadBytes: Array(repeating: bytes, count: count))
}

extension EntryLog {
    static func create(
        in directory: TestDirectory, after position: Position = .origin,
        segmentBytesMax: UInt64 = 64 << 20, _ policy: SyncPolicy = .os
    ) throws -> EntryLog {
        try create(
            directory: directory.log, lineage: testLineage, after: position,
            options: LogOptions(segmentBytesMax: segmentBytesMax, syncPolicy: policy))
    }

    static func open(
        in directory: TestDirectory, state: Position, synced: LogIndex = .zero,
        segmentBytesMax: UInt64 = 64 << 20
    ) throws -> (log: EntryLog, recovery: LogRecovery) {
        try open(
            directory: directory.log, state: state, syncedIndex: synced,
            keepCutBytesIn: directory.diverged,
            options: LogOptions(segmentBytesMax: segmentBytesMax, syncPolicy: .os))
    }

    /// Everything after `position`, read in small pieces.
    func readAll(after position: Position, bytesMax: Int = 100) throws -> [Record] {
        var reader = try reader(after: position)
        var found: [Record] = []
        while let chunk = try reader.next(bytesMax: bytesMax, through: last.index) {
            found += try chunk.records(after: found.last?.position ?? position)
        }
        return found
    }
}

extension LogChunk {
    func records(after position: Position) throws -> [Record] {
        var stream = RecordStream(after: position)
        stream.push(bytes)
        return try stream.nextRun(bytesMax: .max)?.records ?? []
    }
}

/// What a call threw; nil when it returned.
func failure(_ body: () throws -> Void) -> LogError? {
    do { try body() } catch { return error as? LogError }
    return nil
}

extension LogError {
    var isDamage: Bool { if case .damaged = self { true } else { false } }
}
