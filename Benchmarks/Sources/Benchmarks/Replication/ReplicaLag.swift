import ClusterKit
import Foundation
import Log
import Platform

/// How long an entry takes from the primary to a replica while the primary takes writes at full speed.
///
/// The replica is asked again and again, a millisecond apart, which index it has applied
/// (`Convoy-Index` of a read). Afterwards the primary's log tells when it decided each of the entries:
/// a record holds the time, of the same machine's clock. An entry's lag is from then until the first
/// answer that shows it applied has arrived. So every entry counts, and whatever is imprecise makes
/// the lag longer, never shorter: the record's time is that of the group's begin, in whole
/// milliseconds; an answer takes its way; between two answers up to two milliseconds pass.
enum ReplicaLag {
    private static let seconds = 60
    private static let budgetMilliseconds = 20.0

    static func run() throws {
        for replicas in 1...2 { try run(replicas: replicas) }
    }

    private static func run(replicas: Int) throws {
        let cluster = try TestCluster(nodes: replicas + 1)
        let primary = cluster.primary
        guard let start = try primary.client.node().position else {
            throw BenchmarkError("the primary has no position")
        }
        let watches = cluster.nodes.dropFirst().map { AppliedWatch($0) }
        let result = try WriteLoad(on: primary, seconds: seconds).finish()
        try primary.client.waitUntilInSync(within: 60)
        guard let end = try primary.client.node().position else {
            throw BenchmarkError("the primary has no position")
        }
        let sightings = try watches.map { try $0.finish(at: end.index) }
        try primary.stop()
        let times = try LogTimes.read(of: primary, after: start, through: end)
        for (watch, seen) in zip(watches, sightings) {
            let lags = Times(lags(times, after: start.index, seen))
            say(
                "\(watch.name), one of \(replicas), at \(rounded(result.rate)) writes/s for \(seconds) s: lag p50 \(rounded(lags.median, 1)) ms, p99 \(rounded(lags.percentile(99), 1)) ms (budget \(rounded(budgetMilliseconds))), most \(rounded(lags.maximum, 1)) ms; \(lags.count) entries, \(seen.count) sightings"
            )
        }
    }

    /// Of each entry, in milliseconds: from its time to when it was first seen applied.
    private static func lags(
        _ times: [Double], after start: UInt64, _ seen: [AppliedWatch.Sighting]
    ) -> [Double] {
        var lags: [Double] = []
        lags.reserveCapacity(times.count)
        var place = 0
        for (offset, time) in times.enumerated() {
            let index = start + 1 + UInt64(offset)
            while place < seen.count, seen[place].index < index { place += 1 }
            guard place < seen.count else { break }
            lags.append(seen[place].time - time)
        }
        return lags
    }
}

/// Asks a node what it has applied, until told to finish.
private final class AppliedWatch: Sendable {
    /// When an index was first seen applied, in milliseconds since 1970.
    struct Sighting {
        var index: UInt64
        var time: Double
    }

    let name: String
    private let shared: Monitor<Shared>

    private struct Shared {
        var seen: [Sighting] = []
        var last: UInt64?
    }

    init(_ node: ConvoyProcess) {
        name = node.name
        let shared = Monitor(Shared())
        self.shared = shared
        let client = node.client
        _ = WorkerThread(name: "applied-\(name)") {
            while true {
                // No such key: nothing is read but a filter in memory.
                let index = try? client.get(Path.key("nobody")).index
                let now = Date().timeIntervalSince1970 * 1_000
                let isOver = shared.update { shared in
                    guard let index else { return false }
                    if index > shared.seen.last?.index ?? 0 {
                        shared.seen.append(Sighting(index: index, time: now))
                    }
                    return shared.last.map { index >= $0 } ?? false
                }
                if isOver { return }
                rest(.milliseconds(1))
            }
        }
    }

    /// Blocks until `index` was seen.
    func finish(at index: UInt64) throws -> [Sighting] {
        shared.update { $0.last = index }
        let seen = shared.wait(until: .now() + .seconds(30)) { shared in
            shared.seen.last.map { $0.index >= index } ?? false ? shared.seen : nil
        }
        guard let seen else { throw BenchmarkError("\(name) has not applied entry \(index)") }
        return seen
    }
}

/// When the entries of a node that was stopped were decided.
private enum LogTimes {
    /// In milliseconds since 1970, in order, without a gap.
    static func read(
        of node: ConvoyProcess, after start: PositionView, through end: PositionView
    ) throws -> [Double] {
        guard let from = position(start), let last = position(end),
            let incarnation = try FileSystem.list("\(node.dataPath)/data").max()
        else { throw BenchmarkError("no log of \(node.name)") }
        let log = try EntryLog.open(
            directory: "\(node.dataPath)/data/\(incarnation)/log", state: last, syncedIndex: .zero,
            keepCutBytesIn: "\(node.dataPath)/diverged"
        ).log
        var reader = try log.reader(after: from)
        var stream = RecordStream(after: from)
        var times: [Double] = []
        while let chunk = try reader.next(bytesMax: 1 << 20, through: last.index) {
            stream.push(chunk.bytes)
            while case .record(let record) = try stream.next() {
                times.append(Double(record.time.rawValue))
            }
        }
        return times
    }

    private static func position(_ view: PositionView) -> Position? {
        Hash128(hex: view.hash).map { Position(index: LogIndex(view.index), hash: $0) }
    }
}
