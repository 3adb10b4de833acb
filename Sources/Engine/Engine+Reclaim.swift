import Log
import Platform
import RocksDB

/// How far the space of flushed and removed namespaces has come back, since the process began.
public struct ReclaimStatus: Equatable, Sendable {
    /// On disk, about, and still to be given back.
    public internal(set) var pendingBytes: UInt64 = 0
    public internal(set) var reclaimedBytes: UInt64 = 0
}

/// What the engine keeps to give space back.
struct Reclaim: Sendable {
    var ranges = DeadRanges()
    var status = ReclaimStatus()
    var isStopped = false
    /// The ranges that an earlier process has left were added.
    var isSeeded = false
    /// When to look at how much is left.
    var measuring = Rest()
    /// When the look began by which ``ReclaimStatus/pendingBytes`` is.
    var measuredFrom: MonotonicTime?
    /// When to go through what is left.
    var giving = Rest()
}

/// Looking at ten thousand leftovers takes a while: they are left alone for some time after each look.
struct Rest: Sendable {
    private var until: MonotonicTime?

    /// A look at so many costs nothing worth sparing.
    static let countQuick = 64
    /// So many times what a look took: one part in a hundred of a processor's time.
    private static let perLook = 100.0
    /// However long a look took: it may have been the machine that stood still.
    private static let longest = Duration.seconds(600)

    func isOver(at now: MonotonicTime) -> Bool { until.map { $0 <= now } ?? true }

    /// - Parameters:
    ///   - count: How many leftovers the next look is at.
    ///   - took: How long the looks took in all.
    ///   - now: When they ended.
    mutating func begin(after count: Int, _ took: Duration, at now: MonotonicTime) {
        until = count > Rest.countQuick ? now + min(took * Rest.perLook, Rest.longest) : nil
    }
}

/// A flush is one entry and answers at once; this gives its space back to the disk, in the background.
///
/// By compaction, which leaves out what a range delete covers. Dropping whole files would be faster,
/// but a dropped file may hold the range delete that still hides keys of an older file.
extension Engine {
    /// Smaller leftovers are left to RocksDB's own compactions.
    static let reclaimBytesMin: UInt64 = 1 << 20

    /// It was told to give back no more.
    public var isReclaimStopped: Bool { reclaim.withLock { $0.isStopped } }

    public var reclaimStatus: ReclaimStatus { reclaim.withLock { $0.status } }

    /// Whether ``reclaimSpace()`` would not come too soon after the last time.
    public var isReclaimDue: Bool { reclaim.withLock { $0.giving.isOver(at: .now()) } }

    /// Gives back what there is to give. Blocks for as long as that takes, or until
    /// ``stopReclaiming()``. One thread at a time, when ``isReclaimDue``.
    public func reclaimSpace() throws(EngineError) {
        seedDeadRanges()
        let ranges = reclaim.withLock { $0.ranges.all }
        var looking = Duration.zero
        for range in ranges {
            if reclaim.withLock({ $0.isStopped }) { return }
            let start = MonotonicTime.now()
            let before = try bytes(of: range)
            guard before >= Engine.reclaimBytesMin else {
                // What only memory held of it is never written.
                if try persistedIndex() >= range.index { forget(range, reclaimed: 0) }
                looking += .now() - start
                continue
            }
            // Not before its entry is on disk: a log without it would bring back a namespace
            // that has lost some of its keys.
            try engine { try log.sync() }
            if try persistedIndex() < range.index { try flush() }
            database.compact(from: range.from, to: range.to)
            if reclaim.withLock({ $0.isStopped }) { return }
            let after = try bytes(of: range)
            forget(range, reclaimed: before - min(before, after))
        }
        // For the sake of those that are left: of the others nothing more has to be looked at.
        reclaim.withLock { $0.giving.begin(after: $0.ranges.all.count, looking, at: .now()) }
    }

    /// Looks at how much is left, for ``reclaimStatus``. Quick, also while space is given back.
    ///
    /// - Parameter isUrgent: Also among so many leftovers that one look each second would cost too much.
    /// - Throws: When the disk fails.
    public func measureReclaim(isUrgent: Bool = false) throws(EngineError) {
        let start = MonotonicTime.now()
        guard isUrgent || reclaim.withLock({ $0.measuring.isOver(at: start) }) else { return }
        seedDeadRanges()
        var pending: UInt64 = 0
        let ranges = reclaim.withLock { $0.ranges.all }
        for range in ranges {
            let bytes = try bytes(of: range)
            if bytes >= Engine.reclaimBytesMin { pending += bytes }
        }
        let now = MonotonicTime.now()
        reclaim.withLock { reclaim in
            // Another thread's look may have begun later and be over already.
            if let last = reclaim.measuredFrom, last > start { return }
            reclaim.measuredFrom = start
            reclaim.status.pendingBytes = pending
            reclaim.measuring.begin(after: ranges.count, now - start, at: now)
        }
    }

    /// Ends ``reclaimSpace()`` soon, for good: what is left is found by the next process.
    public func stopReclaiming() {
        reclaim.withLock { $0.isStopped = true }
        database.stopCompacting()
    }

    func noteDead(_ ranges: [DeadRange]) {
        guard !ranges.isEmpty else { return }
        reclaim.withLock { reclaim in for range in ranges { reclaim.ranges.add(range) } }
    }

    private func forget(_ range: DeadRange, reclaimed bytes: UInt64) {
        reclaim.withLock { reclaim in
            reclaim.ranges.remove(range)
            reclaim.status.reclaimedBytes += bytes
        }
    }

    private func bytes(of range: DeadRange) throws(EngineError) -> UInt64 {
        try engine { try database.approximateBytes(from: range.from, to: range.to) }
    }

    /// What an earlier process was not done with: older epochs, and ids between those that exist.
    private func seedDeadRanges() {
        let isFirst = reclaim.withLock { reclaim in
            defer { reclaim.isSeeded = true }
            return !reclaim.isSeeded
        }
        guard isFirst else { return }
        let state = self.state
        var end = NamespaceID.default
        for namespace in state.catalog.namespaces.values.lazy.map(\.record) {
            // Nobody has had the ids between, or they are gone.
            if namespace.id > end {
                noteOlder(
                    Key.data(end, epoch: 0, []), Key.data(namespace.id, epoch: 0, []), state)
            }
            // Of a hundred thousand few were ever flushed.
            if namespace.epoch > NamespaceRecord.epochFirst {
                noteOlder(
                    Key.data(namespace.id, epoch: 0, []),
                    Key.data(namespace.id, epoch: namespace.epoch, []), state)
            }
            end = NamespaceID(rawValue: namespace.id.rawValue + 1)
        }
        // Those that were made last may be the ones that are gone.
        let next = NamespaceID(
            rawValue: UInt32(clamping: state.catalog.nextNumber(.namespaceID)))
        if next > end {
            noteOlder(Key.data(end, epoch: 0, []), Key.data(next, epoch: 0, []), state)
        }
    }

    /// Unless entries since the start have said more of it.
    private func noteOlder(_ from: [UInt8], _ to: [UInt8], _ state: EngineState) {
        guard let range = DeadRange(from: from, to: to, endedBy: state.position.index) else {
            return
        }
        reclaim.withLock { reclaim in
            if !reclaim.ranges.has(range.namespace) { reclaim.ranges.add(range) }
        }
    }
}
