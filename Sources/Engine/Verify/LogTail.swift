import Log
import Platform

/// Replays a log on a state in memory, to see whether a start could. Reads the segment files as they
/// are: opening the log would repair it.
struct LogTail {
    let directory: String
    /// Before the log's first entry.
    let start: Position

    /// Of a segment file: `docs/internals/data-format.md`.
    private static let headerBytes = 76
    private static let hashBefore = 44..<60
    private static let pieceBytes = 1 << 20
    /// Bytes of entries after which what they write is forgotten.
    private static let groupBytesMax = 4 << 20

    /// - Returns: The state after the last whole entry. Its counters are as of `state`.
    /// - Throws: When the log has another history at the state's position, or an entry that a state
    ///   cannot take.
    mutating func replay(on state: EngineState) throws(EngineError) -> EngineState {
        try engine {
            let segments = try segments()
            let place = segments.lastIndex { $0 <= state.position.index.next } ?? 0
            guard place < segments.count else { return state }
            let before = Position(
                index: LogIndex(segments[place].rawValue - 1), hash: try hashBefore(segments[place])
            )
            var replay = Replay(state: state, stream: RecordStream(after: before))
            try replay.compare(before)
            for segment in segments[place...] {
                // What is no record is told of by the log's own verification.
                guard try replay.read(path(segment)) else { break }
            }
            return replay.finished
        }
    }

    private struct Replay {
        var state: EngineState
        var transition: StateTransition
        var stream: RecordStream
        var bytes = 0

        init(state: EngineState, stream: RecordStream) {
            self.state = state
            self.stream = stream
            transition = StateTransition(from: state)
        }

        var finished: EngineState {
            EngineState(header: transition.header, catalog: transition.catalog)
        }

        func compare(_ position: Position) throws(EngineError) {
            guard position.index == state.position.index, position != state.position else { return }
            throw .damaged(
                "the state stands at \(state.position), and the log has another history there: "
                    + "\(position)")
        }

        /// - Returns: Whether the whole file was records.
        mutating func read(_ path: String) throws -> Bool {
            let file = try File(path, .read)
            var offset = UInt64(LogTail.headerBytes)
            while true {
                let piece = try file.read(at: offset, count: LogTail.pieceBytes)
                if piece.isEmpty { return stream.waitingBytes == 0 }
                offset += UInt64(piece.count)
                stream.push(piece)
                while true {
                    let frame: WireFrame?
                    do throws(RecordFault) { frame = try stream.next() } catch { return false }
                    guard case .record(let record) = frame else { break }
                    try take(record)
                }
            }
        }

        private mutating func take(_ record: Record) throws(EngineError) {
            try compare(record.position)
            guard record.position.index > state.position.index else { return }
            try transition.add(record)
            bytes += record.encodedBytes
            if bytes > LogTail.groupBytesMax {
                transition = StateTransition(from: finished)
                bytes = 0
            }
        }
    }

    /// The first indexes of the segments that belong to the log.
    private func segments() throws -> [LogIndex] {
        try FileSystem.list(directory).compactMap { name in
            guard name.hasSuffix(".log"), let first = UInt64(name.dropLast(4)) else { return nil }
            return first > start.index.rawValue ? LogIndex(first) : nil
        }
    }

    private func path(_ first: LogIndex) -> String {
        let digits = String(first.rawValue)
        return "\(directory)/\(String(repeating: "0", count: 20 - digits.count))\(digits).log"
    }

    private func hashBefore(_ segment: LogIndex) throws -> Hash128 {
        let header = try File(path(segment), .read).read(at: 0, count: LogTail.headerBytes)
        guard header.count == LogTail.headerBytes else { return .zero }
        var reader = ByteReader(header, in: LogTail.hashBefore)
        return reader.hash128() ?? .zero
    }
}
