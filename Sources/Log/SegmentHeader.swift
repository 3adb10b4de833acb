import Platform

/// The first bytes of a segment file, and the file's name.
///
/// Little-endian layout; `docs/internals/data-format.md` specifies it:
///
///     magic 8 | format u32 | lineage 16 | first u64 | previous first u64 | hash before 16 | checksum 16
struct SegmentHeader: Equatable, Sendable {
    var lineage: Lineage
    /// The index of the segment's first record.
    var first: LogIndex
    /// Where the segment before begins; 0 when the log begins with this one, whatever older files
    /// still lie beside it.
    var previousFirst: LogIndex
    /// The chain hash of the entry before ``first``.
    var before: Hash128

    static let magic: [UInt8] = Array("CONVOYLG".utf8)
    /// On disk: raise it when the layout of segments or records changes.
    static let format: UInt32 = 1
    static let bytes = 8 + 4 + 16 + 8 + 8 + 16 + 16

    /// The position of the entry before ``first``.
    var start: Position { Position(index: LogIndex(first.rawValue - 1), hash: before) }

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: SegmentHeader.bytes)
        writer.append(SegmentHeader.magic)
        writer.little(SegmentHeader.format)
        writer.hash128(lineage.id)
        writer.little(first.rawValue)
        writer.little(previousFirst.rawValue)
        writer.hash128(before)
        writer.hash128(Hash128(of: writer.bytes))
        return writer.bytes
    }

    enum Fault: Error, Equatable {
        case incomplete
        case notASegment
        case wrongChecksum
        case unknownFormat(UInt32)

        var words: String {
            switch self {
            case .incomplete: "the segment's header is incomplete"
            case .notASegment: "the file does not begin as a log segment does"
            case .wrongChecksum: "the segment's header does not match its checksum"
            case .unknownFormat(let format):
                "the segment has format \(format); this version reads format \(SegmentHeader.format)"
            }
        }
    }

    static func decode(_ bytes: [UInt8]) throws(Fault) -> SegmentHeader {
        guard bytes.count >= SegmentHeader.bytes else { throw .incomplete }

        var reader = ByteReader(bytes)
        let isSegment = reader.take(magic.count) == magic
        guard let format: UInt32 = reader.little(), let lineage = reader.hash128(),
            let first: UInt64 = reader.little(), let previousFirst: UInt64 = reader.little(),
            let before = reader.hash128()
        else { throw .incomplete }
        let covered = 0..<reader.offset
        guard let checksum = reader.hash128() else { throw .incomplete }

        guard isSegment else { throw .notASegment }
        guard checksum == Hash128(of: bytes, in: covered), first > 0 else { throw .wrongChecksum }
        guard format == SegmentHeader.format else { throw .unknownFormat(format) }
        return SegmentHeader(
            lineage: Lineage(id: lineage), first: LogIndex(first),
            previousFirst: LogIndex(previousFirst), before: before)
    }
}

/// The names of segment files: the first index as 20 decimal digits, so that names sort as indexes.
enum SegmentName {
    static func of(first: LogIndex) -> String {
        let digits = String(first.rawValue)
        return String(repeating: "0", count: 20 - digits.count) + digits + suffix
    }

    /// The first index that a name says; nil when it is not the name of a segment.
    static func first(of name: String) -> LogIndex? {
        guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count,
            let first = UInt64(name.dropLast(suffix.utf8.count)), first > 0,
            of(first: LogIndex(first)) == name
        else { return nil }
        return LogIndex(first)
    }

    /// The first indexes of the segments in `directory`, ascending.
    static func list(_ directory: String) throws(FileError) -> [LogIndex] {
        try FileSystem.list(directory).compactMap(first(of:)).sorted()
    }

    static func path(_ directory: String, first: LogIndex) -> String {
        "\(directory)/\(of(first: first))"
    }

    private static let suffix = ".log"
}

extension SegmentHeader {
    /// Makes the segment's file with this header alone. It and its name are on disk on return.
    func createFile(in directory: String) throws(FileError) -> File {
        let file = try File(SegmentName.path(directory, first: first), .create)
        try file.append(encode())
        try file.sync()
        try FileSystem.syncDirectory(directory)
        return file
    }
}
