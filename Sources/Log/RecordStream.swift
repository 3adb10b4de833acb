public import Platform

/// Splits a stream of bytes into frames, and verifies each: the replica's side of a feed.
///
/// Pure. Push pieces of any size and take frames until there is none. Bytes are moved once per
/// push at most, so the pieces may be small and the records large. What waits is what was pushed
/// and not yet taken: take before pushing more.
///
/// A fault is final: the next call finds the same.
public struct RecordStream: Sendable {
    /// Of the last record taken.
    public private(set) var position: Position
    private var newest: SegmentScanner.Stamp?
    private var buffer: [UInt8] = []
    private var offset = 0
    /// Bytes in all that the frame at `offset` is known to need: nothing is parsed before.
    private var needed = Record.headerBytes

    /// - Parameters:
    ///   - position: What the first record has to follow.
    ///   - lastTime: Of the record there, when it is known: a first record below it is refused, which
    ///     ``EntryLog/append(_:encoded:)`` would stop the process for.
    ///   - lastReign: Likewise.
    public init(
        after position: Position, lastTime: UnixMilliseconds? = nil, lastReign: Reign? = nil
    ) {
        self.position = position
        if let lastTime, let lastReign {
            newest = SegmentScanner.Stamp(time: lastTime, reign: lastReign)
        }
    }

    /// Bytes that wait to be taken, or for the rest of their frame.
    public var waitingBytes: Int { buffer.count - offset }

    public mutating func push(_ bytes: [UInt8]) {
        // At least half of the buffer is taken: moving the rest costs no more than taking that did.
        if offset > 0, offset >= buffer.count - offset {
            buffer.removeFirst(offset)
            offset = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next frame; nil until it is there as a whole.
    ///
    /// - Throws: ``RecordFault``, never `incomplete`. Drop the stream.
    public mutating func next() throws(RecordFault) -> WireFrame? {
        guard let header = try wholeFrame() else { return nil }
        if header.kindCode >= WireFrame.firstKindCode {
            let frame = try WireFrame(header, of: buffer, at: offset)
            skip(header)
            return frame
        }
        return .record(try take(header))
    }

    /// The whole records that wait, up to the next frame that is no record, at most about `bytesMax`
    /// but at least one; with their bytes, for one append. Nil when no record is next: ask
    /// ``next()`` then, which yields the other frames.
    ///
    /// - Throws: ``RecordFault``, once the records before the fault are taken.
    public mutating func nextRun(bytesMax: Int) throws(RecordFault) -> RecordRun? {
        let start = offset
        var records: [Record] = []
        while offset - start < bytesMax {
            do throws(RecordFault) {
                guard let header = try wholeFrame(), header.kindCode < WireFrame.firstKindCode,
                    records.isEmpty || offset - start + header.size <= bytesMax
                else { break }
                records.append(try take(header))
            } catch {
                if records.isEmpty { throw error }
                break
            }
        }
        return records.isEmpty
            ? nil : RecordRun(records: records, encoded: Array(buffer[start..<offset]))
    }

    /// The verified header of the frame at `offset`; nil when it is not whole.
    private mutating func wholeFrame() throws(RecordFault) -> RecordHeader? {
        guard waitingBytes >= needed else { return nil }

        let header = try RecordHeader(reading: buffer, at: offset)
        // Before the rest is there: a wrong length must not be waited for longer than it has to.
        let isRecord = header.kindCode < WireFrame.firstKindCode
        let expected = isRecord ? position.index.next : position.index
        guard header.index == expected else {
            throw .wrongIndex(expected: expected, found: header.index)
        }
        if !isRecord, header.size != (try WireFrame.size(ofKind: header.kindCode)) {
            throw .badLength(UInt32(header.size - 4))
        }
        needed = header.size
        guard waitingBytes >= needed else { return nil }

        try header.verifyHash(of: buffer, at: offset, after: position.hash)
        return header
    }

    private mutating func take(_ header: RecordHeader) throws(RecordFault) -> Record {
        let stamp = SegmentScanner.Stamp(header)
        guard newest?.mayPrecede(stamp) ?? true else { throw .goesBack(index: header.index) }

        let record = try Record(header, of: buffer, at: offset, after: position)
        newest = stamp
        position = record.position
        skip(header)
        return record
    }

    private mutating func skip(_ header: RecordHeader) {
        offset += header.size
        needed = Record.headerBytes
    }
}

/// Records that follow one another, and their bytes.
public struct RecordRun: Sendable, Equatable {
    public var records: [Record]
    public var encoded: [UInt8]
}
