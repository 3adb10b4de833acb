public import Engine
public import Log
public import Platform

/// Entries that only this node had, kept before a full sync replaces them.
///
/// The file `<fork index>-<milliseconds since 1970>.entries`, little-endian:
///
///     magic "CVYDIV01" | lineage 16 B | fork index u64 | chain hash of the entry there 16 B | records
///
/// where the records are the log's own bytes, so their chain can be verified from the fork on.
public struct DivergedTail: Sendable {
    public let path: String
    public let lineage: Lineage
    /// What the first of the records follows: the last common entry, or where the log begins if that
    /// is not retained.
    public let after: Position
    public let entries: UInt64

    static let magic = Array("CVYDIV01".utf8)
    public static let headerBytes = 8 + 16 + 8 + 16
    private static let chunkBytes = 1 << 20

    public enum Failure: Error, Sendable, CustomStringConvertible {
        case log(LogError)
        case io(FileError)

        public var description: String {
            switch self {
            case .log(let error): "the entries that only this node has cannot be read: \(error)"
            case .io(let error): "the entries that only this node has cannot be kept: \(error)"
            }
        }
    }

    /// Copies what follows the fork, and syncs file and directory before it returns.
    ///
    /// - Parameters:
    ///   - engine: Whose log is copied.
    ///   - hints: Where the other history stands; nil: nothing is known to be common.
    ///   - directory: Where the file goes.
    ///   - time: For its name.
    ///   - isShared: Whether the other history has that position. Tables of reigns can be alike in
    ///     histories that have nothing in common: every cluster begins with the same reign.
    /// - Returns: Nil when there is nothing that the other history has not.
    /// - Throws: ``Failure``; nothing may be replaced then.
    public static func keep(
        of engine: Engine, unlike hints: HistoryHints?, in directory: String,
        at time: UnixMilliseconds, isShared: (Position) -> Bool = { _ in true }
    ) throws(Failure) -> DivergedTail? {
        let state = engine.state
        let log = engine.log
        var fork = LogIndex.zero
        if let hints {
            fork = ReignTable(state.catalog).fork(
                last: state.position.index, with: hints.reigns, otherLast: hints.last.index)
        }
        if fork > .zero {
            // Not retained, or not shared: then everything is kept, which is never wrong.
            let position = try? log.position(at: fork)
            if position.map(isShared) != true { fork = .zero }
        }
        // The entry before the first retained one is the earliest place that a reader can start from.
        let start = max(fork, LogIndex(log.first.rawValue - 1))
        guard start < state.position.index else { return nil }
        let path = "\(directory)/\(fork)-\(time.rawValue).entries"
        do {
            let after = try log.position(at: start)
            var reader = try log.reader(after: after)
            try FileSystem.createDirectory(directory)
            try FileSystem.remove(path)
            let file = try File(path, .create)
            try file.append(header(state.header.lineage, after))
            var entries: UInt64 = 0
            while let chunk = try reader.next(
                bytesMax: chunkBytes, through: state.position.index)
            {
                try file.append(chunk.bytes)
                entries += UInt64(chunk.count)
            }
            try file.sync()
            try FileSystem.syncDirectory(directory)
            return DivergedTail(
                path: path, lineage: state.header.lineage, after: after, entries: entries)
        } catch let error as LogError {
            throw .log(error)
        } catch let error as FileError {
            throw .io(error)
        } catch {
            invariant(false, "copying entries fails with \(error)")
            return nil
        }
    }

    private static func header(_ lineage: Lineage, _ after: Position) -> [UInt8] {
        var writer = ByteWriter(capacity: headerBytes)
        writer.append(magic)
        writer.hash128(lineage.id)
        writer.little(after.index.rawValue)
        writer.hash128(after.hash)
        return writer.bytes
    }

    /// Reads the head of such a file, and a stream that yields its records; nil when it is none.
    public static func read(
        _ bytes: [UInt8]
    ) -> (lineage: Lineage, after: Position, records: RecordStream)? {
        var reader = ByteReader(bytes)
        guard reader.take(magic.count) == magic, let lineage = reader.hash128(),
            let index: UInt64 = reader.little(), let hash = reader.hash128()
        else { return nil }
        let after = Position(index: LogIndex(index), hash: hash)
        var records = RecordStream(after: after)
        records.push(Array(bytes[headerBytes...]))
        return (Lineage(id: lineage), after, records)
    }
}
