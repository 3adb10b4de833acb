public import Platform

/// The body of a request as it comes, for one reader on a thread that may wait.
///
///     flowing ──window full──▶ suspended ──read──▶ flowing ──▶ complete
///        └──reader closes──▶ dropped             any ──client or listener gone──▶ broken
///
/// At most a window of it, and what libmicrohttpd has read already, is in memory: beyond that the client
/// is not read from until the reader has taken what there is. libmicrohttpd takes an answer only behind
/// the body's end, so when the reader is through before that, the rest is read and dropped.
public final class BodyStream: Sendable {
    private let connection: ClientConnection
    private let droppedBytesMax: UInt64
    private let state = Monitor(State())

    static let windowBytes = 1 << 20

    private struct State {
        var bytes: [UInt8] = []
        var suspended: MHDConnection?
        var isComplete = false
        var isBroken = false
        /// The reader wants no more.
        var isClosed = false
        var droppedBytes: UInt64 = 0
        var receivedBytes: UInt64 = 0
        /// When the client was last found to have closed its side.
        var receivedWhenLeft: UInt64?

        /// Whom to resume.
        mutating func takeSuspended() -> MHDConnection? {
            defer { suspended = nil }
            return suspended
        }
    }

    public enum Piece: Equatable, Sendable {
        case bytes([UInt8])
        /// That was all of it.
        case end
        /// The client has left, or the listener stops: what came is not all.
        case broken
    }

    init(connection: ClientConnection, droppedBytesMax: UInt64) {
        self.connection = connection
        self.droppedBytesMax = droppedBytesMax
    }

    // MARK: - The reader's side

    /// What has come since the last call. Blocks until there is something; nil when `deadline` passed
    /// first.
    public func read(until deadline: MonotonicTime) -> Piece? {
        let (piece, suspended) =
            state.wait(until: deadline) { state -> (Piece?, MHDConnection?)? in
                if !state.bytes.isEmpty {
                    defer { state.bytes = [] }
                    return (.bytes(state.bytes), state.takeSuspended())
                }
                if state.isComplete { return (.end, nil) }
                return state.isBroken ? (.broken, nil) : nil
            } ?? (nil, nil)
        resume(suspended)
        return piece
    }

    /// Whatever still comes is dropped.
    public func close() {
        resume(
            state.update { state in
                state.isClosed = true
                state.bytes = []
                return state.takeSuspended()
            })
    }

    private func resume(_ suspended: MHDConnection?) {
        guard let suspended else { return }
        // The client was not slow: it was not read from.
        connection.enter(.receivingBody(since: .now(), bytes: 0))
        suspended.resume()
    }

    // MARK: - The connection's side

    /// From the request callback of `mhd`. False when the connection must be closed.
    func take(_ bytes: UnsafeRawBufferPointer, on mhd: MHDConnection) -> Bool {
        state.update { state in
            if state.isBroken { return false }
            state.receivedBytes += UInt64(bytes.count)
            if state.isClosed {
                state.droppedBytes += UInt64(bytes.count)
                return state.droppedBytes <= droppedBytesMax
            }
            state.bytes.append(contentsOf: bytes)
            if state.bytes.count >= BodyStream.windowBytes, state.suspended == nil {
                connection.enter(.answering)
                // Under the lock: a reader that came between would resume what is not suspended.
                mhd.suspend()
                state.suspended = mhd
            }
            return true
        }
    }

    func complete() { state.update { $0.isComplete = true } }

    /// The client has closed its side. What it sent before is still read; libmicrohttpd does not tell when
    /// there is nothing left of it and the body is not complete, so two looks without a byte between do.
    func noteDeparture() {
        guard !connection.hasUnreadBytes else { return }
        let isOver = state.withLock { state in
            guard !state.isComplete, state.suspended == nil else { return false }
            defer { state.receivedWhenLeft = state.receivedBytes }
            return state.receivedWhenLeft == state.receivedBytes
        }
        guard isOver else { return }
        breakOff()
        connection.shut()
    }

    /// The request is over, or is to end.
    func breakOff() {
        resume(
            state.update { state in
                state.isBroken = true
                return state.takeSuspended()
            })
    }
}
