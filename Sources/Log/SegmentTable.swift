import Platform

/// What the log knows of its segments. Pure: ``EntryLog`` holds it behind a lock and does the I/O.
///
/// Invariants
///  1. There is at least one segment; the last one is the one that is appended to.
///  2. Segments ascend without gaps: each begins after the last entry of the one before.
///  3. `first.index - 1 <= syncedIndex <= last.index`, and only the last segment has unsynced entries.
struct SegmentTable: Sendable {
    private(set) var segments: [Segment]
    /// The last segment's file, to append to.
    private(set) var file: File
    private(set) var last: Position
    /// Of the last record; nil when there is none.
    private(set) var newest: SegmentScanner.Stamp?
    private(set) var syncedIndex: LogIndex
    /// A write or sync that failed. What reached the disk is unknown, and a second `fdatasync` could
    /// succeed without having written: nothing is written any more.
    private(set) var failure: FileError?
    private var isAppending = false

    struct Segment: Sendable {
        let header: SegmentHeader
        let path: String
        /// The bytes of the file that hold header and whole records.
        var end: UInt64
        var index: SparseIndex
        /// False for a segment that this process has neither written nor scanned yet.
        var isIndexed: Bool

        init(
            _ header: SegmentHeader, in directory: String, end: UInt64, index: SparseIndex? = nil
        ) {
            self.header = header
            self.path = SegmentName.path(directory, first: header.first)
            self.end = end
            self.index = index ?? SparseIndex(header)
            self.isIndexed = index != nil || end == UInt64(SegmentHeader.bytes)
        }
    }

    init(
        _ segments: [Segment], file: File, last: Position, newest: SegmentScanner.Stamp?,
        syncedIndex: LogIndex
    ) {
        invariant(!segments.isEmpty, "a log without a segment")
        self.segments = segments
        self.file = file
        self.last = last
        self.newest = newest
        self.syncedIndex = syncedIndex
    }

    var first: LogIndex { segments[0].header.first }
    var bytes: UInt64 { segments.reduce(0) { $0 + $1.end } }
    private var active: Segment { segments[segments.count - 1] }

    /// The index after the last record of the segment at `slot`.
    func next(after slot: Int) -> LogIndex {
        slot + 1 < segments.count ? segments[slot + 1].header.first : last.index.next
    }

    /// The last segment that does not begin beyond `index`; nil when all do.
    func slot(notBeyond index: LogIndex) -> Int? {
        segments.lastIndex { $0.header.first <= index }
    }

    /// The segment that begins at `first`; nil when it was trimmed.
    func slot(beginningAt first: LogIndex) -> Int? {
        segments.lastIndex { $0.header.first == first }
    }

    func checkInvariants() {
        invariant(!segments.isEmpty, "1: a log without a segment")
        invariant(last.index.next >= active.header.first, "2: the log ends before its last segment")
        invariant(
            syncedIndex <= last.index && syncedIndex.next >= first,
            "3: synced to \(syncedIndex) in a log from \(first) to \(last.index)")
    }
}

// MARK: - Appending and syncing

extension SegmentTable {
    /// Checks that `records` follow, and marks the log as being appended to.
    ///
    /// - Returns: Whether a new segment has to be begun for them.
    mutating func beginAppend(
        _ records: [Record], bytes: Int, segmentBytesMax: UInt64
    ) throws(FileError) -> Bool {
        if let failure { throw failure }
        invariant(!isAppending, "two threads append to one log")
        var before = last
        var stamp = newest
        var sum = 0
        for record in records {
            invariant(
                record.position.index == before.index.next && record.previousHash == before.hash,
                "entry \(record.position) appended after \(before)")
            let following = SegmentScanner.Stamp(time: record.time, reign: record.reign)
            invariant(
                stamp?.mayPrecede(following) ?? true,
                "time or reign of entry \(record.position.index) go back")
            before = record.position
            stamp = following
            sum += record.encodedBytes
        }
        invariant(sum == bytes, "\(bytes) encoded bytes for records of \(sum)")
        isAppending = true
        return active.end > UInt64(SegmentHeader.bytes)
            && active.end + UInt64(bytes) > segmentBytesMax
    }

    /// The segment that follows what is there now.
    func nextHeader() -> SegmentHeader {
        SegmentHeader(
            lineage: active.header.lineage, first: last.index.next,
            previousFirst: active.header.first, before: last.hash)
    }

    /// Takes up a segment whose file was just made. All before it is on disk.
    mutating func begin(_ header: SegmentHeader, in directory: String, file: File) {
        invariant(syncedIndex == last.index, "a segment begun before the last one was synced")
        segments.append(Segment(header, in: directory, end: UInt64(SegmentHeader.bytes)))
        self.file = file
        checkInvariants()
    }

    /// Makes records visible whose bytes are in the file.
    mutating func finishAppend(_ records: [Record]) {
        var active = self.active
        // Taken out, so that appending to the index does not copy it.
        segments.removeLast()
        for record in records {
            active.index.note(record.position.index, at: active.end, after: record.previousHash)
            active.end += UInt64(record.encodedBytes)
            last = record.position
            newest = SegmentScanner.Stamp(time: record.time, reign: record.reign)
        }
        segments.append(active)
        isAppending = false
    }

    /// What has to be synced; nil when nothing has.
    func unsynced() throws(FileError) -> (file: File, through: LogIndex)? {
        if let failure { throw failure }
        return syncedIndex < last.index ? (file, last.index) : nil
    }

    mutating func synced(through index: LogIndex) {
        syncedIndex = max(syncedIndex, index)
        checkInvariants()
    }

    mutating func fail(_ error: FileError) {
        failure = failure ?? error
    }
}

// MARK: - Retention and reading

extension SegmentTable {
    /// Takes out the oldest segments, all of whose entries are below `index`, as long as the rest
    /// has at least `bytesMin`. The last one stays.
    mutating func trim(below index: LogIndex, bytesMin: UInt64) -> [Segment] {
        var count = 0
        var rest = bytes
        while count + 1 < segments.count, segments[count + 1].header.first <= index,
            rest - segments[count].end >= bytesMin
        {
            rest -= segments[count].end
            count += 1
        }
        defer {
            segments.removeFirst(count)
            checkInvariants()
        }
        return Array(segments.prefix(count))
    }

    /// How many bytes the entries after `index` take, about.
    func bytes(after index: LogIndex) -> UInt64 {
        guard index < last.index else { return 0 }
        guard let slot = slot(notBeyond: index.next) else { return bytes }
        let segment = segments[slot]
        let offset = segment.index.estimatedOffset(
            of: index.next, next: next(after: slot), end: segment.end)
        return segments[(slot + 1)...].reduce(segment.end - offset) {
            $0 + $1.end - UInt64(SegmentHeader.bytes)
        }
    }

    /// Keeps the index that a scan of a segment made.
    mutating func keep(_ index: SparseIndex, ofSegmentAt first: LogIndex) {
        guard let slot = slot(beginningAt: first), !segments[slot].isIndexed else { return }
        segments[slot].index = index
        segments[slot].isIndexed = true
    }
}
