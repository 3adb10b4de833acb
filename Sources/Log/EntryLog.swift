public import Platform

/// The log of one incarnation: segment files in one directory, append only.
///
/// Appends come from one thread at a time; everything else may be called from any thread. No lock is
/// held while the disk works, so readers and ``sync()`` do not hold up an append, nor it them.
/// Calls that read or write files block until the system answers: never call them on a thread of
/// Swift's cooperative pool.
///
/// After a failed write or sync the log refuses to write, with the same error: the caller stops the
/// process.
public final class EntryLog: Sendable {
    public let directory: String
    public let lineage: Lineage
    public let options: LogOptions
    /// Held for microseconds, never during I/O. Not a `Mutex`: ThreadSanitizer does not see those.
    let table: Monitor<SegmentTable>

    init(directory: String, lineage: Lineage, options: LogOptions, _ table: SegmentTable) {
        self.directory = directory
        self.lineage = lineage
        self.options = options
        self.table = Monitor(table)
    }

    /// Makes an empty log in `directory`, which is created when it is missing and may hold no
    /// segment. On disk on return.
    ///
    /// - Parameters:
    ///   - directory: Where the segments go.
    ///   - lineage: The history that the log is of.
    ///   - position: What the first entry will follow: the origin at birth, the snapshot's position
    ///     after a full sync.
    ///   - options: How the log is kept.
    /// - Returns: The log, synced to `position`.
    /// - Throws: `io`; `damaged` when there are segments already.
    public static func create(
        directory: String, lineage: Lineage, after position: Position,
        options: LogOptions = LogOptions()
    ) throws(LogError) -> EntryLog {
        let present = try onDisk { () throws(FileError) in
            try FileSystem.createDirectory(directory)
            return try SegmentName.list(directory)
        }
        if let first = present.first {
            throw .damaged(
                LogDamage(
                    file: SegmentName.path(directory, first: first), offset: 0,
                    what: "a new log was to be made where there is one"))
        }
        let header = SegmentHeader(
            lineage: lineage, first: position.index.next, previousFirst: .zero,
            before: position.hash)
        let file = try onDisk { () throws(FileError) in
            let file = try header.createFile(in: directory)
            try FileSystem.syncDirectory(FileSystem.parent(of: directory))
            return file
        }
        let segment = SegmentTable.Segment(
            header, in: directory, end: UInt64(SegmentHeader.bytes))
        return EntryLog(
            directory: directory, lineage: lineage, options: options,
            SegmentTable(
                [segment], file: file, last: position, newest: nil, syncedIndex: position.index))
    }

    /// The first retained index; the one after ``last`` when there is none.
    public var first: LogIndex { table.withLock { $0.first } }

    /// The position of the last entry, synced or not.
    public var last: Position { table.withLock { $0.last } }

    /// The last index that is known to be on disk.
    public var syncedIndex: LogIndex { table.withLock { $0.syncedIndex } }

    /// What the retained segments take on disk.
    public var bytes: UInt64 { table.withLock { $0.bytes } }

    public var segmentCount: Int { table.withLock { $0.segments.count } }

    /// The time of the last record; nil when none is retained, or only in segments that a start had
    /// no reason to read.
    public var lastTime: UnixMilliseconds? { table.withLock { $0.newest?.time } }

    /// The reign of the last record; nil as ``lastTime``.
    public var lastReign: Reign? { table.withLock { $0.newest?.reign } }
}

// MARK: - Writing

extension EntryLog {
    /// Appends `records` with one write, into one segment. They must follow ``last`` in index, hash,
    /// time and reign; else the process stops.
    ///
    /// On return they are visible to readers and, with ``SyncPolicy/always``, on disk. Begins a new
    /// segment first when they do not fit into the present one; that one is then synced.
    ///
    /// - Parameters:
    ///   - records: What to append, in order; none is fine.
    ///   - encoded: Their bytes one after the other, when the caller has them.
    /// - Throws: `io`. How much reached the disk is then unknown: stop the process.
    public func append(_ records: [Record], encoded: [UInt8]? = nil) throws(LogError) {
        guard !records.isEmpty else { return }

        let bytes = encoded ?? EntryLog.encode(records)
        try writing { () throws(FileError) in
            let (needsRoll, current) = try table.withLock { table throws(FileError) in
                let needsRoll = try table.beginAppend(
                    records, bytes: bytes.count, segmentBytesMax: options.segmentBytesMax)
                return (needsRoll, table.file)
            }
            let file = needsRoll ? try roll(current) : current
            try file.append(bytes)
            table.withLock { $0.finishAppend(records) }
        }
        if options.syncPolicy == .always { try sync() }
    }

    /// Returns once every entry up to ``last``, as of the call, is on disk. Appends go on meanwhile.
    ///
    /// - Throws: `io`. What reached the disk is then unknown: stop the process.
    public func sync() throws(LogError) {
        try writing { () throws(FileError) in
            let unsynced = try table.withLock { table throws(FileError) in try table.unsynced() }
            guard let unsynced else { return }
            // Entries in segments before this file's were synced when it was begun.
            try unsynced.file.sync()
            table.withLock { $0.synced(through: unsynced.through) }
        }
    }

    /// Closes the present segment durably and begins the next one.
    private func roll(_ current: File) throws(FileError) -> File {
        try current.sync()
        let header = table.withLock { table in
            table.synced(through: table.last.index)
            return table.nextHeader()
        }
        let file = try header.createFile(in: directory)
        table.withLock { $0.begin(header, in: directory, file: file) }
        return file
    }

    /// Remembers a failure, so that nothing is written after it.
    private func writing(_ body: () throws(FileError) -> Void) throws(LogError) {
        do throws(FileError) { try body() } catch {
            table.withLock { $0.fail(error) }
            throw .io(error)
        }
    }

    private static func encode(_ records: [Record]) -> [UInt8] {
        var writer = ByteWriter(capacity: records.reduce(0) { $0 + $1.encodedBytes })
        for record in records { record.encode(into: &writer) }
        return writer.bytes
    }

    /// Removes the oldest segments, all of whose entries are below `index`, as long as the rest has
    /// at least `bytesMin`. Never the last one. Readers inside a removed segment read it to its end.
    ///
    /// - Returns: How many segments went, and their bytes.
    /// - Throws: `io` when a file could not be removed; it is no longer part of the log, and the next
    ///   start takes it up again.
    @discardableResult
    public func trim(
        keepingFrom index: LogIndex, bytesMin: UInt64
    ) throws(LogError) -> (segments: Int, bytes: UInt64) {
        let removed = table.withLock { $0.trim(below: index, bytesMin: bytesMin) }
        guard !removed.isEmpty else { return (0, 0) }

        try onDisk { () throws(FileError) in
            // Oldest first: whatever stops this, the files left have no gap.
            for segment in removed { try FileSystem.remove(segment.path) }
            try FileSystem.syncDirectory(directory)
        }
        return (removed.count, removed.reduce(0) { $0 + $1.end })
    }
}
