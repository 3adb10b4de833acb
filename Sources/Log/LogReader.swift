import Platform

/// Whole records, as they lie on disk.
public struct LogChunk: Sendable, Equatable {
    public var bytes: [UInt8]
    public var first: LogIndex
    public var last: Position
    public var count: Int
}

/// Reads a log forward and verifies each record again on the way.
///
/// One user at a time, any thread. Appends do not disturb it. The segment that it reads stays
/// readable when it is trimmed; the one after it may then be gone, which ends in `notRetained`.
public struct LogReader: Sendable {
    private let log: EntryLog
    private var place: EntryLog.Place

    init(_ log: EntryLog, _ place: EntryLog.Place) {
        self.log = log
        self.place = place
    }

    /// Of the last record delivered.
    public var position: Position { place.position }

    /// The next records, out of one segment. Blocks for the disk only; it does not wait for entries.
    ///
    /// - Parameters:
    ///   - bytesMax: How much at most, but at least one record.
    ///   - through: The last index to deliver.
    /// - Returns: Nil when there is nothing yet.
    /// - Throws: `notRetained` when the log was trimmed beyond what was read; `damaged`, `io`.
    public mutating func next(
        bytesMax: Int, through: LogIndex
    ) throws(LogError) -> LogChunk? {
        guard position.index < through else { return nil }

        var end = try knownEnd()
        if place.offset == end {
            guard position.index < log.last.index else { return nil }
            place = try log.place(after: position.index, expecting: position)
            end = try knownEnd()
        }
        return try read(bytesMax: bytesMax, end: end, through: through)
    }

    /// Where the records of the present segment end.
    private func knownEnd() throws(LogError) -> UInt64 {
        let first = place.segmentFirst
        let end = log.table.withLock { table in
            table.slot(beginningAt: first).map { table.segments[$0].end }
        }
        if let end { return end }
        // Trimmed, hence complete.
        return try onDisk { () throws(FileError) in try place.file.size() }
    }

    private mutating func read(
        bytesMax: Int, end: UInt64, through: LogIndex
    ) throws(LogError) -> LogChunk? {
        let left = Int(end - place.offset)
        var bytes = try load(min(left, max(bytesMax, Record.headerBytes)))
        var taken = 0
        var count = 0
        var last = position
        while taken < bytes.count, last.index < through {
            do throws(RecordFault) {
                let header = try RecordHeader(verifying: bytes, at: taken, after: last)
                taken += header.size
                count += 1
                last = header.position
            } catch {
                guard case .incomplete(let needed) = error, needed <= left - taken else {
                    throw damage(error, at: taken)
                }
                if count > 0 { break }
                // The first record is larger than asked for.
                let more = try load(needed)
                guard more.count == needed else { throw damage(error, at: taken) }
                bytes = more
            }
        }
        guard count > 0 else { throw damage(.incomplete(needed: Record.headerBytes), at: 0) }
        bytes.removeLast(bytes.count - taken)
        let chunk = LogChunk(
            bytes: bytes, first: position.index.next, last: last, count: count)
        place.offset += UInt64(taken)
        place.position = last
        return chunk
    }

    private func load(_ count: Int) throws(LogError) -> [UInt8] {
        try onDisk { () throws(FileError) in try place.file.read(at: place.offset, count: count) }
    }

    private func damage(_ fault: RecordFault, at taken: Int) -> LogError {
        .damaged(
            LogDamage(fault, file: place.file.path, offset: place.offset + UInt64(taken)))
    }
}

extension EntryLog {
    /// As ``place(after:)``, for one whose position is known: another hash there is damage.
    func place(after index: LogIndex, expecting position: Position) throws(LogError) -> Place {
        let place = try place(after: index)
        guard place.position == position else {
            throw .damaged(
                LogDamage(
                    file: place.file.path, offset: place.offset,
                    what: "the segment does not follow entry \(position)"))
        }
        return place
    }
}
