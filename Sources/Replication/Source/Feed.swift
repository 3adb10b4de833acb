import Log
import Engine
import Platform

/// What a feed has for its connection.
public enum FeedChunk: Sendable, Equatable {
    /// At most as many as were asked for, at least one.
    case bytes([UInt8])
    /// Nothing yet: read again when woken.
    case wait
    /// Break the connection off.
    case abort
}

/// The records and heartbeats that one replica gets, as the body of its `GET /replication/log`.
///
/// There is no queue: the log is the queue. A feed holds one chunk of it, of ``chunkBytes`` or one
/// record if that is larger.
public final class Feed: Sendable {
    /// Of the replica's session.
    public let id: String
    /// For the answer's head: the last index of this log, which a full sync must reach.
    public let headers: [(String, String)]
    let request: FeedRequest
    private let engine: Engine
    private let origin: @Sendable () -> OriginHeartbeat?
    private let onClose: @Sendable (Feed) -> Void
    private let onUnreadable: @Sendable (LogIndex, LogError) -> Void
    private let ackWanted: @Sendable () -> LogIndex
    /// Used by the connection's thread alone; held while the disk is read.
    private let reading: Monitor<Reading>
    /// Held for microseconds.
    private let control: Monitor<Control>

    static let chunkBytes = 512 << 10
    /// In the answer's head.
    public static let lastIndexHeader = "Convoy-Last-Index"

    private struct Reading: Sendable {
        var reader: LogReader
        var chunk: [UInt8] = []
        var offset = 0
    }

    private struct Control: Sendable {
        var machine: FeedMachine
        var wake: (@Sendable () -> Void)?
        var abort: (@Sendable () -> Void)?
        var isClosed = false
    }

    /// A feed from where `reader` stands: at the replica's position.
    init(
        _ request: FeedRequest, id: String, engine: Engine, reader: LogReader,
        now: MonotonicTime, origin: @escaping @Sendable () -> OriginHeartbeat?,
        ackWanted: @escaping @Sendable () -> LogIndex,
        onUnreadable: @escaping @Sendable (LogIndex, LogError) -> Void,
        onClose: @escaping @Sendable (Feed) -> Void
    ) {
        self.id = id
        self.request = request
        self.engine = engine
        self.origin = origin
        self.ackWanted = ackWanted
        self.onClose = onClose
        self.onUnreadable = onUnreadable
        headers = [(Feed.lastIndexHeader, "\(engine.state.position.index)")]
        reading = Monitor(Reading(reader: reader))
        control = Monitor(Control(machine: FeedMachine(after: reader.position.index, at: now)))
    }

    // MARK: - The connection's side

    /// The next bytes, at most `max`. Reads the log's file if need be; waits for nothing else. One
    /// thread at a time.
    public func read(max: Int) -> FeedChunk {
        let now = MonotonicTime.now()
        let isEnded = control.withLock {
            $0.machine.taken(at: now)
            return $0.machine.isEnded
        }
        if isEnded { return .abort }

        return reading.withLock { reading -> FeedChunk in
            if reading.offset == reading.chunk.count {
                do throws(LogError) {
                    try fill(&reading, now)
                } catch {
                    onUnreadable(reading.reader.position.index, error)
                    end(.told("the log cannot be read on: \(error)"))
                    return .abort
                }
            }
            guard reading.offset < reading.chunk.count else { return .wait }
            let upper = min(reading.chunk.count, reading.offset + max)
            defer { reading.offset = upper }
            if reading.offset == 0, upper == reading.chunk.count { return .bytes(reading.chunk) }
            return .bytes(Array(reading.chunk[reading.offset..<upper]))
        }
    }

    /// Takes the next records, and the frames that are due behind them.
    private func fill(_ reading: inout Reading, _ now: MonotonicTime) throws(LogError) {
        reading.chunk = []
        reading.offset = 0
        if let next = try reading.reader.next(bytesMax: Feed.chunkBytes, through: sendable) {
            reading.chunk = next.bytes
            control.withLock { $0.machine.sent(through: next.last.index, at: now) }
        }
        let wanted = ackWanted()
        let (asks, beats) = control.withLock {
            ($0.machine.takeAckWanted(wanted), $0.machine.takeHeartbeat(at: now))
        }
        if asks { reading.chunk += WireFrame.ackWanted.encode(after: reading.reader.position) }
        if beats, let origin = origin() {
            let heartbeat = WireFrame.heartbeat(origin.payload(at: now))
            reading.chunk += heartbeat.encode(after: reading.reader.position)
        }
    }

    /// Only what is applied; with ``SyncPolicy/always`` only what is synced.
    private var sendable: LogIndex {
        let applied = engine.state.position.index
        let ready =
            engine.log.options.syncPolicy == .always
            ? min(applied, engine.log.syncedIndex) : applied
        return control.withLock { $0.machine.sendMax }.map { min($0, ready) } ?? ready
    }

    /// Has `wake` called whenever there may be something to read. It must not block.
    public func onWake(_ wake: @escaping @Sendable () -> Void) {
        control.withLock { $0.wake = wake }
        wake()
    }

    /// Has `abort` called once, when the link ends from this side; at once if it has ended.
    public func onAbort(_ abort: @escaping @Sendable () -> Void) {
        let hasEnded = control.withLock {
            $0.abort = abort
            return $0.machine.isEnded
        }
        if hasEnded { abort() }
    }

    /// The connection is gone.
    public func closed() {
        let isFirst = control.withLock { control in
            defer { control.isClosed = true }
            _ = control.machine.end(.closed, at: .now())
            control.wake = nil
            control.abort = nil
            return !control.isClosed
        }
        if isFirst { onClose(self) }
    }

    // MARK: - The source's side

    func wake() {
        let wake = control.withLock { $0.wake }
        wake?()
    }

    /// The topology has ended the link with the entry at `index`: it gets no further.
    func finish(through index: LogIndex, reason: String) {
        control.withLock { $0.machine.finish(through: index, reason: reason, at: .now()) }
        wake()
    }

    /// Ends the link; the connection is broken off.
    func end(_ reason: FeedMachine.EndReason) {
        perform { $0.end(reason, at: .now()) }
    }

    /// - Returns: Whether the link's state has changed.
    func acknowledge(_ report: AckReport, at now: MonotonicTime) -> Bool {
        let isServing = report.state == ReplicaStateWord.streaming.rawValue
        return perform {
            $0.acknowledge(
                received: report.received, applied: isServing ? report.applied.index : nil,
                durable: report.durable, at: now)
        }
    }

    /// Looks at the deadlines, and has a heartbeat sent when one is due.
    ///
    /// - Returns: Whether the link's state has changed.
    func tick(at now: MonotonicTime) -> Bool {
        let hasChanged = perform { $0.tick(at: now) }
        wake()
        return hasChanged
    }

    var machine: FeedMachine { control.withLock { $0.machine } }

    @discardableResult
    private func perform(_ event: (inout FeedMachine) -> FeedMachine.Action) -> Bool {
        let (action, abort) = control.withLock { (event(&$0.machine), $0.abort) }
        switch action {
        case .none: return false
        case .publish: return true
        case .abort:
            abort?()
            return true
        }
    }
}
