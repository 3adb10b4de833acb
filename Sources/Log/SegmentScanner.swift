import Platform

/// Walks the records of one segment file forward from a known place and verifies each one: hash
/// chain, index, kind, and that time and reign never go back.
///
/// Reads in blocks; holds one block, or one record when that is larger.
struct SegmentScanner: Sendable {
    let file: File
    /// Bytes of the file that count; what is beyond is not looked at.
    let end: UInt64
    /// Where the next record begins.
    private(set) var offset: UInt64
    /// Of the last record passed.
    private(set) var position: Position
    /// Of the last record passed; nil before the first.
    private(set) var newest: Stamp?

    private var block: [UInt8] = []
    private var blockStart: UInt64

    /// The two things of a record that never go back from one to the next.
    struct Stamp: Sendable {
        var time: UnixMilliseconds
        var reign: Reign

        init(time: UnixMilliseconds, reign: Reign) {
            self.time = time
            self.reign = reign
        }

        init(_ header: RecordHeader) { self.init(time: header.time, reign: header.reign) }

        /// Whether a record may carry `later` after one that carries `self`.
        func mayPrecede(_ later: Stamp) -> Bool { time <= later.time && reign <= later.reign }
    }

    enum Fault: Error {
        case io(FileError)
        /// The record at ``SegmentScanner/offset`` is not one.
        case record(RecordFault)
    }

    static let blockBytes = 256 << 10

    /// Stands before the record after `position`, which begins at `offset`. `newest` is of the record
    /// at `position`, when it is known.
    init(
        _ file: File, from offset: UInt64, to end: UInt64, after position: Position,
        newest: Stamp? = nil
    ) {
        self.file = file
        self.end = end
        self.offset = offset
        self.position = position
        self.newest = newest
        self.blockStart = offset
    }

    /// The next record's header; nil at the end. After a fault, the place of the bad record is
    /// ``offset``.
    mutating func next() throws(Fault) -> RecordHeader? {
        guard offset < end else { return nil }

        let header = try verifiedHeader()
        guard EntryKind(rawValue: header.kindCode) != nil else {
            throw .record(.unknownKind(header.kindCode))
        }
        let stamp = Stamp(header)
        guard newest?.mayPrecede(stamp) ?? true else {
            throw .record(.goesBack(index: header.index))
        }
        newest = stamp
        position = header.position
        offset += UInt64(header.size)
        return header
    }

    private mutating func verifiedHeader() throws(Fault) -> RecordHeader {
        while true {
            do throws(RecordFault) {
                return try RecordHeader(
                    verifying: block, at: Int(offset - blockStart), after: position)
            } catch {
                guard case .incomplete(let needed) = error, try fill(needed) else {
                    throw .record(error)
                }
            }
        }
    }

    /// Reads on so that the block begins at ``offset`` and holds `needed` bytes.
    ///
    /// - Returns: False when the file has not that many.
    private mutating func fill(_ needed: Int) throws(Fault) -> Bool {
        let left = Int(end - offset)
        guard needed <= left else { return false }

        do throws(FileError) {
            block = try file.read(
                at: offset, count: min(left, max(needed, SegmentScanner.blockBytes)))
        } catch { throw .io(error) }
        blockStart = offset
        return block.count >= needed
    }
}
