import Platform

/// The fixed part of a record, or of a frame that is only on the wire: what a reader needs to walk
/// and verify records without copying their payloads.
struct RecordHeader: Sendable {
    /// Of the whole record, this header included.
    var size: Int
    var index: LogIndex
    var reign: Reign
    /// An ``EntryKind``, or from ``WireFrame/firstKindCode`` on a frame that is no record.
    var kindCode: UInt8
    var version: UInt8
    var time: UnixMilliseconds
    var hash: Hash128

    /// The bytes before the hash field; the hash covers them.
    static let hashedBytes = Record.headerBytes - 16

    var position: Position { Position(index: index, hash: hash) }

    /// This header with the hash of a record of `payload` that follows `previous`.
    func hashed(after previous: Hash128, _ payload: [UInt8]) -> RecordHeader {
        var writer = ByteWriter(capacity: RecordHeader.hashedBytes)
        encodeHashedPart(into: &writer)
        var copy = self
        copy.hash = Hash128(chaining: previous, writer.bytes, payload)
        return copy
    }

    func encode(into writer: inout ByteWriter) {
        encodeHashedPart(into: &writer)
        writer.hash128(hash)
    }

    private func encodeHashedPart(into writer: inout ByteWriter) {
        writer.little(UInt32(size - 4))
        writer.little(index.rawValue)
        writer.little(reign.term)
        writer.little(reign.holder.rawValue)
        writer.little(kindCode)
        writer.little(version)
        writer.little(time.rawValue)
    }
}

extension RecordHeader {
    /// Reads the header at `offset`. Only its length is checked.
    ///
    /// - Throws: `incomplete` or `badLength`.
    init(reading bytes: [UInt8], at offset: Int) throws(RecordFault) {
        var reader = ByteReader(bytes, in: offset..<bytes.count)
        if let length = reader.little(UInt32.self) {
            guard length >= UInt32(Record.headerBytes - 4), length <= UInt32(Record.bytesMax - 4)
            else { throw .badLength(length) }

            if let header = RecordHeader(size: Int(length) + 4, &reader) {
                self = header
                return
            }
        }
        throw .incomplete(needed: Record.headerBytes)
    }

    /// Reads the header of the record at `offset` and verifies the whole record: it must be there to
    /// its end, and follow `previous`. Its kind is not looked at.
    init(verifying bytes: [UInt8], at offset: Int, after previous: Position) throws(RecordFault) {
        try self.init(reading: bytes, at: offset)
        guard index == previous.index.next else {
            throw .wrongIndex(expected: previous.index.next, found: index)
        }
        try verifyHash(of: bytes, at: offset, after: previous.hash)
    }

    /// - Throws: `incomplete` or `wrongHash`.
    func verifyHash(of bytes: [UInt8], at offset: Int, after previous: Hash128) throws(RecordFault)
    {
        guard bytes.count - offset >= size else { throw .incomplete(needed: size) }

        let expected = Hash128(
            chaining: previous, bytes, offset..<offset + RecordHeader.hashedBytes,
            offset + Record.headerBytes..<offset + size)
        guard hash == expected else { throw .wrongHash(index: index) }
    }

    private init?(size: Int, _ reader: inout ByteReader) {
        guard let index: UInt64 = reader.little(), let term: UInt32 = reader.little(),
            let holder: UInt16 = reader.little(), let kindCode: UInt8 = reader.little(),
            let version: UInt8 = reader.little(), let time: UInt64 = reader.little(),
            let hash = reader.hash128()
        else { return nil }
        self.init(
            size: size, index: LogIndex(index),
            reign: Reign(term: term, holder: NodeNumber(rawValue: holder)), kindCode: kindCode,
            version: version, time: UnixMilliseconds(rawValue: time), hash: hash)
    }
}
