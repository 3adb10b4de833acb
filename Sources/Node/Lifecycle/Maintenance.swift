import Engine
import Log
import Platform
import Replication
import Synchronization
import Topology

/// What a node does by the clock: syncing the log, keeping it short, watching the disk.
final class Maintenance: Sendable {
    private let synced: SyncedIndexFile
    private let stopping = Monitor(Stopping())
    private let space = Atomic<UInt64>(0)
    private let state = Atomic<UInt64>(0)
    /// Handed to the committer since the disk was last looked at.
    private let spent = Atomic<UInt64>(0)
    private let retired = Monitor<[Retired]>([])

    private static let beat: Duration = .milliseconds(100)
    private static let period: Duration = .seconds(1)
    private static let expiryPeriod: Duration = .milliseconds(100)
    private static let alarmPeriod: Duration = .milliseconds(500)
    /// The state is flushed when a start would have to replay more of the log.
    private static let unflushedBytesMax: UInt64 = 256 << 20
    /// Sooner when replicas are waited for with less log than that, for what is not flushed cannot
    /// be removed; but not for every few entries.
    private static let unflushedBytesMin: UInt64 = 1 << 20

    private struct Stopping {
        var isStopping = false
        var running = 0
    }

    /// An engine that was replaced: its files go when nobody reads it any more.
    private struct Retired: Sendable {
        let path: String
        weak let engine: Engine?
    }

    init(synced: SyncedIndexFile) { self.synced = synced }

    /// What is free on the data directory's disk.
    var freeBytes: UInt64 { space.load(ordering: .relaxed) }

    /// What the state takes. Only the thread that does housekeeping asks the database.
    var stateBytes: UInt64 { state.load(ordering: .relaxed) }

    /// Freed memory, and what the process's own program takes, that is left alone.
    private static let idleMemoryMax: UInt64 = 128 << 20

    /// A change costs its bytes in the log, and again in the state's files.
    private static let diskCostFactor: UInt64 = 3

    /// Counts a change against the disk, and says whether the reserve would be touched.
    func spend(_ bytes: Int, reserve: UInt64) -> Bool {
        let total = spent.add(UInt64(bytes), ordering: .relaxed).newValue
        return freeBytes < reserve + total * Maintenance.diskCostFactor
    }

    func start(_ node: Node) {
        checkDisk(node)
        repeating("ticker", Maintenance.beat) { node.source.tick(at: .now()) }
        repeating("alarms", Maintenance.alarmPeriod) {
            node.checkAlarms()
            node.driftReport()
        }
        repeating("log-sync", Maintenance.period) { [self] in syncLog(node) }
        repeating("housekeeping", Maintenance.period) { [self] in
            checkDisk(node)
            removeRetired()
            keepShort(node)
        }
        repeating("measurements", MeasurementRing.interval) {
            node.measure()
            ProcessMemory.giveBack(idleBytesMax: Maintenance.idleMemoryMax)
        }
        repeating("expiry", Maintenance.expiryPeriod, ExpirySweep()) { [stopping] sweep in
            sweep.run(node) { stopping.withLock { $0.isStopping } }
        }
        repeating("reclaim", Maintenance.period) { node.reclaimSpace() }
    }

    func stop(_ engine: Engine?, until deadline: MonotonicTime) {
        engine?.stopReclaiming()
        stopping.update { $0.isStopping = true }
        _ = stopping.wait(until: deadline) { $0.running == 0 ? true : nil }
    }

    /// Remembers to remove the files of an engine that was replaced.
    func retire(_ engine: Engine?) {
        guard let engine else { return }
        engine.stopReclaiming()
        retired.withLock { $0.append(Retired(path: engine.incarnation.path, engine: engine)) }
    }

    func recordSynced(_ engine: Engine) throws(FileError) {
        try synced.write(engine.log.syncedIndex, incarnation: engine.incarnation.name)
    }

    private func repeating(
        _ name: String, _ period: Duration, _ work: @escaping @Sendable () -> Void
    ) {
        repeating(name, period, ()) { _ in work() }
    }

    /// The same, with something that stays from one time to the next.
    private func repeating<Memory: Sendable>(
        _ name: String, _ period: Duration, _ memory: Memory,
        _ work: @escaping @Sendable (inout Memory) -> Void
    ) {
        stopping.update { $0.running += 1 }
        _ = WorkerThread(name: name) { [stopping] in
            var memory = memory
            while true {
                work(&memory)
                let isOver = stopping.wait(until: .now() + period) { $0.isStopping ? true : nil }
                if isOver == true { break }
            }
            stopping.update { $0.running -= 1 }
        }
    }

    private func syncLog(_ node: Node) {
        guard let engine = node.engine, engine.log.options.syncPolicy != .os else { return }
        do {
            try engine.log.sync()
            try recordSynced(engine)
        } catch let error as LogError {
            node.options.engine.stopProcess("cannot sync the log: \(error)")
        } catch {
            node.log(.warning, "cannot note the synced index", ["error": "\(error)"])
        }
    }

    private func checkDisk(_ node: Node) {
        do {
            let free = try FileSystem.space(at: node.options.dataPath).freeBytes
            space.store(free, ordering: .relaxed)
            spent.store(0, ordering: .relaxed)
            let isLow = free < node.options.diskReserveBytes
            if isLow != node.state.isDiskLow {
                node.log(
                    isLow ? .error : .info,
                    isLow
                        ? "the disk is nearly full: writes are refused"
                        : "the disk has space again",
                    ["free_bytes": "\(free)"])
            }
            node.state.isDiskLow = isLow
        } catch {
            node.log(.warning, "cannot look at the disk's space", ["error": "\(error)"])
        }
    }

    private func removeRetired() {
        let paths = retired.withLock { retired in
            let gone = retired.filter { $0.engine == nil }.map(\.path)
            retired.removeAll { $0.engine == nil }
            return gone
        }
        for path in paths {
            // What stays is removed by the next start.
            try? FileSystem.removeTree(path)
        }
    }

    private func keepShort(_ node: Node) {
        guard let engine = node.engine else { return }
        do {
            try engine.measureReclaim()
            node.noteReclaimProgress()
            state.store(engine.databaseBytes + engine.memtableBytes, ordering: .relaxed)
            var persisted = try engine.persistedIndex()
            let unflushedMax = min(
                Maintenance.unflushedBytesMax,
                max(Maintenance.unflushedBytesMin, node.options.logRetentionBytesMax))
            if engine.log.bytes(after: persisted) > unflushedMax {
                try engine.flush()
                persisted = try engine.persistedIndex()
            }
            let needs = RetentionNeeds(
                persistedIndex: persisted,
                leasedIndexes: node.source.snapshots.oldestPinnedIndex.map { [$0] } ?? [],
                acknowledgedIndexes: acknowledged(node, engine),
                bytesMax: node.options.logRetentionBytesMax,
                bytesMin: node.options.logRetentionBytes)
            let decision = needs.decide(
                first: engine.log.first, last: engine.log.last.index,
                bytesAfter: engine.log.bytes(after:))
            _ = try engine.log.trim(
                keepingFrom: decision.keepFrom, bytesMin: node.options.logRetentionBytes)
        } catch {
            node.log(.error, "cannot trim the log", ["error": "\(error)"])
        }
    }

    /// What each replica of this node has. One that was not heard of since the start may need all
    /// that is left.
    private func acknowledged(_ node: Node, _ engine: Engine) -> [LogIndex] {
        let heard = node.source.acknowledgedIndexes
        guard let document = node.document, let own = node.state.facts.number else { return [] }
        let first = engine.log.first.rawValue
        return document.children(of: own).map { heard[$0] ?? LogIndex(first - min(1, first)) }
    }
}
