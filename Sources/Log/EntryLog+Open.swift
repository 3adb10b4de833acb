import Platform

extension EntryLog {
    /// Opens the log in `directory` for a state that stands at `state`, and repairs what a crash may
    /// leave behind. Everything in the log is on disk on return.
    ///
    /// Reads the headers of all segments, and every record from the segment that the state's next
    /// entry is in. Blocks for as long as that takes.
    ///
    /// - Parameters:
    ///   - directory: Where the segments are.
    ///   - state: How far the entries are part of the state.
    ///   - syncedIndex: The last index known to be on disk; 0 when nothing is known.
    ///   - divergedDirectory: Where cut bytes are kept; made when it is needed.
    ///   - options: How the log is kept.
    /// - Returns: The log, and what was found and done.
    /// - Throws: `damaged` when the files are not what was written; then nothing was changed but for
    ///   what ``LogRecovery`` would have told of files that are no part of the log. `io`.
    public static func open(
        directory: String, state: Position, syncedIndex: LogIndex,
        keepCutBytesIn divergedDirectory: String, options: LogOptions = LogOptions()
    ) throws(LogError) -> (log: EntryLog, recovery: LogRecovery) {
        var opening = LogOpening(directory: directory, state: state, syncedIndex: syncedIndex)
        try opening.readHeaders()
        try opening.scanTail()
        try opening.compareWithState()

        try opening.removeLeftovers()
        try opening.cut(keepingIn: divergedDirectory)
        let table = try opening.finish()
        let log = EntryLog(
            directory: directory, lineage: opening.lineage, options: options, table)
        return (log, opening.recovery)
    }
}

/// The steps of opening a log, in the order of the methods. The first three only read.
struct LogOpening {
    private(set) var recovery = LogRecovery()

    private let directory: String
    private let state: Position
    /// Everything up to here was on disk once; where it is not, the disk lost it.
    private var syncedIndex: LogIndex
    private var segments: [SegmentTable.Segment] = []
    private var leftovers: [String] = []
    private var last = Position.origin
    private var newest: SegmentScanner.Stamp?
    private var torn: RecordFault?
    private var isBehindState = false

    init(directory: String, state: Position, syncedIndex: LogIndex) {
        self.directory = directory
        self.state = state
        self.syncedIndex = syncedIndex
    }

    var lineage: Lineage { segments[0].header.lineage }

    private var active: SegmentTable.Segment { segments[segments.count - 1] }

    private func damage(_ file: String, _ offset: UInt64, _ what: String) -> LogError {
        .damaged(LogDamage(file: file, offset: offset, what: what))
    }

    // MARK: - Headers

    /// Reads the headers from the newest segment back to where the log begins, and checks that they
    /// are of one lineage and follow one another.
    mutating func readHeaders() throws(LogError) {
        let present = try onDisk { () throws(FileError) in try SegmentName.list(directory) }
        for (place, first) in present.enumerated().reversed() {
            if let oldest = segments.first {
                guard oldest.header.previousFirst != .zero else {
                    // Files of the log that this one replaced; the crash came before their removal.
                    leftovers.append(SegmentName.path(directory, first: first))
                    continue
                }
                guard oldest.header.previousFirst == first else {
                    throw damage(
                        oldest.path, 0,
                        "the segment follows one that begins with entry "
                            + "\(oldest.header.previousFirst), and there is none")
                }
            }
            let isNewest = place == present.count - 1
            if let segment = try readHeader(first, isNewest: isNewest) {
                segments.insert(segment, at: 0)
            }
        }
        guard !segments.isEmpty else { throw damage(directory, 0, "there is no log segment") }
    }

    /// - Returns: Nil for a file whose header the crash left incomplete.
    private mutating func readHeader(
        _ first: LogIndex, isNewest: Bool
    ) throws(LogError) -> SegmentTable.Segment? {
        let path = SegmentName.path(directory, first: first)
        let (bytes, end) = try onDisk { () throws(FileError) in
            let file = try File(path, .read)
            return (try file.read(at: 0, count: SegmentHeader.bytes), try file.size())
        }
        let header: SegmentHeader
        do throws(SegmentHeader.Fault) { header = try SegmentHeader.decode(bytes) } catch {
            // A header is synced before its first record is written: no record is lost with it.
            if isNewest, end <= UInt64(SegmentHeader.bytes), first > syncedIndex {
                leftovers.append(path)
                // The segment before was synced before this file was made.
                syncedIndex = max(syncedIndex, LogIndex(first.rawValue - 1))
                return nil
            }
            throw unreadable(path, error)
        }
        guard header.first == first else {
            throw damage(path, 0, "the segment's header says that it begins with \(header.first)")
        }
        guard header.lineage == segments.first?.header.lineage ?? header.lineage else {
            throw damage(path, 0, "the segment is of another lineage, \(header.lineage)")
        }
        return SegmentTable.Segment(header, in: directory, end: end)
    }

    private func unreadable(_ path: String, _ fault: SegmentHeader.Fault) -> LogError {
        switch fault {
        case .incomplete, .notASegment, .wrongChecksum: damage(path, 0, fault.words)
        case .unknownFormat:
            .damaged(
                LogDamage(
                    file: path, offset: 0, what: fault.words, advice: LogDamage.upgradeAdvice))
        }
    }

    // MARK: - Records

    /// Reads and verifies every record from the segment that the state's next entry is in.
    mutating func scanTail() throws(LogError) {
        let newestSlot = segments.count - 1
        let holder = segments.lastIndex { $0.header.first <= state.index.next }
        guard var start = holder else {
            throw damage(
                segments[0].path, 0,
                "the state stands at entry \(state.index), and the log begins only with "
                    + "\(segments[0].header.first)")
        }
        // One more when there may be no record in the newest, so that its time and reign are known.
        if start == newestSlot, start > 0, active.end == UInt64(SegmentHeader.bytes) { start -= 1 }

        if newestSlot > 0 {
            syncedIndex = max(syncedIndex, LogIndex(active.header.first.rawValue - 1))
        }
        last = segments[start].header.start
        try compare(last, segments[start].path, 0)
        for slot in start...newestSlot { try scan(slot, isNewest: slot == newestSlot) }
    }

    private mutating func scan(_ slot: Int, isNewest: Bool) throws(LogError) {
        let segment = segments[slot]
        guard segment.header.start == last else {
            throw damage(
                segment.path, 0,
                "the segment follows \(segment.header.start), and the one before ends at \(last)")
        }
        let file = try onDisk { () throws(FileError) in try File(segment.path, .read) }
        var scanner = SegmentScanner(
            file, from: UInt64(SegmentHeader.bytes), to: segment.end, after: last, newest: newest)
        var index = SparseIndex(segment.header)
        while true {
            let (start, before) = (scanner.offset, scanner.position.hash)
            do throws(SegmentScanner.Fault) {
                guard let header = try scanner.next() else { break }
                index.note(header.index, at: start, after: before)
                recovery.scannedRecords += 1
                recovery.scannedBytes += UInt64(header.size)
            } catch {
                torn = try tornRecord(error, scanner, isNewest: isNewest)
                break
            }
            try compare(scanner.position, segment.path, start)
        }
        last = scanner.position
        newest = scanner.newest
        segments[slot].end = scanner.offset
        segments[slot].index = index
        segments[slot].isIndexed = true
    }

    /// - Returns: The fault, when a crash can be its cause.
    private func tornRecord(
        _ fault: SegmentScanner.Fault, _ scanner: SegmentScanner, isNewest: Bool
    ) throws(LogError) -> RecordFault {
        switch fault {
        case .io(let error): throw .io(error)
        case .record(let fault):
            guard fault.canBeTorn, isNewest, scanner.position.index >= syncedIndex else {
                throw .damaged(
                    LogDamage(fault, file: scanner.file.path, offset: scanner.offset))
            }
            return fault
        }
    }

    /// The state must have the log's history.
    private func compare(_ position: Position, _ path: String, _ offset: UInt64) throws(LogError) {
        guard position.index == state.index, position != state else { return }
        throw damage(
            path, offset,
            "the state stands at \(state), and the log has another history there: \(position)")
    }

    mutating func compareWithState() throws(LogError) {
        isBehindState = last.index < state.index
        // What was synced must be in the log or in the state.
        guard syncedIndex <= max(last.index, state.index) else {
            throw damage(
                active.path, active.end,
                "the log ends at entry \(last.index), and entry \(syncedIndex) was known to be on "
                    + "disk")
        }
    }

    // MARK: - Repairs

    mutating func removeLeftovers() throws(LogError) {
        guard !leftovers.isEmpty else { return }
        try remove(leftovers.sorted())
    }

    private mutating func remove(_ paths: [String]) throws(LogError) {
        try onDisk { () throws(FileError) in
            for path in paths { try FileSystem.remove(path) }
            try FileSystem.syncDirectory(directory)
        }
        recovery.removedFiles += paths
    }

    /// Cuts what follows the last whole record, once it is kept elsewhere.
    mutating func cut(keepingIn divergedDirectory: String) throws(LogError) {
        guard let torn else { return }
        let active = self.active
        let (bytes, kept) = try onDisk { () throws(FileError) in
            let file = try File(active.path, .append)
            let size = try file.size()
            let bytes = try file.read(at: active.end, count: Int(size - active.end))
            let kept = try keep(bytes, in: divergedDirectory)
            try file.truncate(to: active.end)
            try file.sync()
            return (bytes, kept)
        }
        recovery.cut = LogRecovery.Cut(
            after: last, file: active.path, offset: active.end, bytes: UInt64(bytes.count),
            keptIn: kept, what: torn.words)
    }

    /// Writes bytes to a file of their own. On disk on return.
    private func keep(_ bytes: [UInt8], in directory: String) throws(FileError) -> String {
        try FileSystem.createDirectory(directory)
        let time = UnixMilliseconds.now().rawValue
        let path = "\(directory)/torn-after-\(last.index)-at-\(time).bytes"
        let file = try File(path, .create)
        try file.append(bytes)
        try file.sync()
        try FileSystem.syncDirectory(directory)
        try FileSystem.syncDirectory(FileSystem.parent(of: directory))
        return path
    }

    /// Opens the newest segment to append to, or a new one behind the state.
    mutating func finish() throws(LogError) -> SegmentTable {
        if isBehindState { return try renew() }

        let path = active.path
        let file = try onDisk { () throws(FileError) in
            let file = try File(path, .append)
            // What an earlier process wrote may still be in memory only.
            try file.sync()
            return file
        }
        return SegmentTable(
            segments, file: file, last: last, newest: newest, syncedIndex: last.index)
    }

    /// Begins the log anew behind the state's position; what the old one had, the state has.
    private mutating func renew() throws(LogError) -> SegmentTable {
        let header = SegmentHeader(
            lineage: lineage, first: state.index.next, previousFirst: .zero, before: state.hash)
        let file = try onDisk { () throws(FileError) in try header.createFile(in: directory) }
        try remove(segments.map(\.path))
        recovery.renewal = LogRecovery.Renewal(from: last, state: state)
        segments = [
            SegmentTable.Segment(header, in: directory, end: UInt64(SegmentHeader.bytes))
        ]
        return SegmentTable(
            segments, file: file, last: state, newest: nil, syncedIndex: state.index)
    }
}
