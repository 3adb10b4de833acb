import Platform

extension EntryLog {
    /// The position of entry `index`, or of the one just before the first retained entry.
    ///
    /// Reads up to 64 KiB, or one segment when nobody has read from it since the start.
    ///
    /// - Throws: `notRetained`, `ahead`, `damaged` or `io`.
    public func position(at index: LogIndex) throws(LogError) -> Position {
        let last = self.last
        return index == last.index ? last : try place(after: index).position
    }

    /// Compares an asker's position with this log: returns when both have the same history up to it.
    ///
    /// - Throws: `hashDiffers`, `notRetained`, `ahead`, `damaged` or `io`.
    public func check(_ position: Position) throws(LogError) {
        let own = try self.position(at: position.index)
        guard own == position else { throw .hashDiffers(at: own) }
    }

    /// A reader whose first entry is the one that follows `position`.
    ///
    /// - Throws: As ``check(_:)``.
    public func reader(after position: Position) throws(LogError) -> LogReader {
        let place = try place(after: position.index)
        guard place.position == position else { throw .hashDiffers(at: place.position) }
        return LogReader(self, place)
    }

    /// How many bytes the entries after `index` take: 0 at the end, exact at every 64 KiB of a
    /// segment that was written or read by this process, interpolated between. Does not block.
    public func bytes(after index: LogIndex) -> UInt64 {
        table.withLock { $0.bytes(after: index) }
    }

    /// A place between two records of a segment.
    struct Place: Sendable {
        /// Open for reading; trimming does not take it away.
        var file: File
        /// Names the segment.
        var segmentFirst: LogIndex
        /// Where the record after ``position`` begins, or will.
        var offset: UInt64
        var position: Position
    }

    /// What a look at the table says about where to read.
    private struct Start {
        var segment: SegmentTable.Segment
        var slotNext: LogIndex
        var mark: SparseIndex.Mark
    }

    func place(after index: LogIndex) throws(LogError) -> Place {
        // Three times at most: to index the segment, and once more when it is trimmed meanwhile.
        while true {
            let start = try start(after: index)
            do throws(LogError) {
                let file = try onDisk { () throws(FileError) in
                    try File(start.segment.path, .read)
                }
                guard start.mark.index <= index, !start.segment.isIndexed else {
                    return try walk(file, start, to: index)
                }
                try buildIndex(of: start.segment, file, next: start.slotNext)
            } catch {
                guard case .io(let failure) = error, failure.isMissing,
                    first > start.segment.header.first
                else { throw error }
            }
        }
    }

    private func start(after index: LogIndex) throws(LogError) -> Start {
        try table.withLock { table throws(LogError) in
            guard index <= table.last.index else { throw .ahead(last: table.last) }
            // By the entry after it: then a segment's own header answers for the entry before it.
            guard let slot = table.slot(notBeyond: index.next) else {
                throw .notRetained(first: table.first)
            }
            let segment = table.segments[slot]
            return Start(
                segment: segment, slotNext: table.next(after: slot),
                mark: segment.index.mark(notBeyond: index.next))
        }
    }

    private func walk(_ file: File, _ start: Start, to index: LogIndex) throws(LogError) -> Place {
        var scanner = SegmentScanner(
            file, from: start.mark.offset, to: start.segment.end, after: start.mark.start)
        while scanner.position.index < index {
            guard try scanner.nextOrDamage() != nil else {
                throw .damaged(
                    LogDamage(
                        file: file.path, offset: scanner.offset,
                        what: "the segment ends before entry \(index)"))
            }
        }
        return Place(
            file: file, segmentFirst: start.segment.header.first, offset: scanner.offset,
            position: scanner.position)
    }

    /// Reads a segment that an earlier process wrote, verifies it, and keeps its index.
    private func buildIndex(
        of segment: SegmentTable.Segment, _ file: File, next: LogIndex
    ) throws(LogError) {
        var index = SparseIndex(segment.header)
        var scanner = SegmentScanner(
            file, from: UInt64(SegmentHeader.bytes), to: segment.end, after: segment.header.start)
        try scanner.walk(noting: &index)
        guard scanner.position.index.next == next else {
            throw .damaged(
                LogDamage(
                    file: file.path, offset: scanner.offset,
                    what: "the segment ends at entry \(scanner.position.index), and the next one "
                        + "begins with \(next)"))
        }
        let built = index
        table.withLock { $0.keep(built, ofSegmentAt: segment.header.first) }
    }
}

extension SegmentScanner {
    /// As ``next()``, for records that are known to be whole: any fault is damage.
    mutating func nextOrDamage() throws(LogError) -> RecordHeader? {
        do throws(Fault) { return try next() } catch {
            switch error {
            case .io(let error): throw .io(error)
            case .record(let fault):
                throw .damaged(LogDamage(fault, file: file.path, offset: offset))
            }
        }
    }

    /// Walks to the end and adds what it passes to `index`.
    mutating func walk(noting index: inout SparseIndex) throws(LogError) {
        while true {
            let (start, before) = (offset, position.hash)
            guard let header = try nextOrDamage() else { return }
            index.note(header.index, at: start, after: before)
        }
    }
}
