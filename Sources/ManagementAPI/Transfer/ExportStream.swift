import HTTPServer
import Platform

/// An export as the body of an answer: a thread makes it, the connection takes it.
///
///     flowing ──finish──▶ all made ──taken──▶ end
///        └──break off, client gone or too slow──▶ broken
///
/// What is made and not taken is bounded: the maker waits, and gives up on a client that takes less than
/// ``rateBytesMin`` in ``patience``, since what it reads from stays on disk meanwhile.
final class ExportStream: ResponseStream {
    private let state = Monitor(State())

    static let bufferBytesMax = 1 << 20
    /// Of a client that takes less than ``rateBytesMin`` in it.
    private let patience: Duration
    static let rateBytesMin = 64 << 10
    /// What a client that takes nothing costs in the kernel.
    private static let unsentBytesMax = 256 << 10

    private struct State {
        var made: [UInt8] = []
        var offset = 0
        var takenBytes = 0
        var isFinished = false
        var isBroken = false
        var isClosed = false
        var handle: StreamHandle?
        var ticket: AdmissionWatch.Ticket?

        var isOver: Bool { isBroken || isClosed }
    }

    init(patience: Duration = .seconds(30)) { self.patience = patience }

    // MARK: - The connection's side

    func opened(_ connection: StreamHandle) {
        connection.limitUnsent(bytes: ExportStream.unsentBytesMax)
        state.withLock { $0.handle = connection }
    }

    func read(max: Int) -> StreamChunk {
        state.update { state in
            if state.isBroken { return .abort }
            guard state.offset < state.made.count else { return state.isFinished ? .end : .wait }
            let upper = min(state.made.count, state.offset + max)
            let bytes = Array(state.made[state.offset..<upper])
            state.offset = upper
            state.takenBytes += bytes.count
            if state.offset == state.made.count {
                state.made = []
                state.offset = 0
            }
            return .bytes(bytes)
        }
    }

    func closed() {
        let ticket = state.update { state in
            state.isClosed = true
            state.handle = nil
            return state.ticket
        }
        ticket?.cancel()
    }

    // MARK: - The maker's side

    /// Adds bytes once there is room. Blocks; false when nobody wants more.
    func offer(_ bytes: [UInt8]) -> Bool {
        var taken = state.withLock { $0.takenBytes }
        while true {
            let outcome = state.wait(until: .now() + patience) { state -> Bool? in
                if state.isOver { return false }
                guard state.made.count - state.offset < ExportStream.bufferBytesMax else {
                    return nil
                }
                state.made.removeFirst(state.offset)
                state.offset = 0
                state.made += bytes
                return true
            }
            if let outcome {
                if outcome { wake() }
                return outcome
            }
            let now = state.withLock { $0.takenBytes }
            guard now - taken >= ExportStream.rateBytesMin else {
                breakOff()
                return false
            }
            taken = now
        }
    }

    /// All was made.
    func finish() {
        state.withLock { $0.isFinished = true }
        wake()
    }

    /// The client sees that it is not complete.
    func breakOff() {
        let handle = state.update { state in
            state.isBroken = true
            return state.handle
        }
        handle?.abort()
    }

    /// `ticket` ends the stream, and is cancelled with it.
    func keep(_ ticket: AdmissionWatch.Ticket) {
        let isOver = state.withLock { state in
            state.ticket = ticket
            return state.isOver
        }
        if isOver { ticket.cancel() }
    }

    private func wake() { state.withLock { $0.handle }?.wake() }
}
