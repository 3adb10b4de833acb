import Glibc
import Platform

/// Keeps reading from clients that were answered before they had sent everything.
///
/// Closing a socket with unread bytes sends a reset, which makes the client's kernel throw away the
/// answer that it has not read yet. So a duplicate of the socket outlives libmicrohttpd's: the
/// answer's end is announced, and what still comes is discarded until the client closes too.
final class LingeringClose: Sendable {
    private let state = Monitor(State())

    private static let socketsMax = 256
    private static let idleMax = Duration.seconds(2)
    private static let totalMax = Duration.seconds(30)
    /// Newly adopted sockets are looked at after this long; the kernel buffers meanwhile.
    private static let pollMilliseconds: Int32 = 50

    private struct State {
        var adopted: [Int32] = []
        /// All sockets that are open here, adopted or already being read.
        var openCount = 0
        var isStopping = false
    }

    private struct Client {
        let socket: Int32
        let closeAt: MonotonicTime
        var idleAt: MonotonicTime

        init(socket: Int32, now: MonotonicTime) {
            self.socket = socket
            self.closeAt = now + totalMax
            self.idleAt = now + idleMax
        }
    }

    /// Takes a duplicate of the socket. Beyond the maximum the client gets the reset.
    func adopt(_ connection: ClientConnection) {
        let hasRoom = state.withLock { $0.openCount < Self.socketsMax && !$0.isStopping }
        guard hasRoom,
            let socket = connection.withSocket({ fcntl($0, F_DUPFD_CLOEXEC, 0) }), socket >= 0
        else { return }

        shutdown(socket, Int32(SHUT_WR))
        state.update {
            $0.adopted.append(socket)
            $0.openCount += 1
        }
    }

    /// Runs until ``stop()``; blocks the calling thread.
    func run() {
        var clients: [Client] = []
        while let adopted = next(mayWait: clients.isEmpty) {
            let now = MonotonicTime.now()
            clients += adopted.map { Client(socket: $0, now: now) }
            let before = clients.count
            clients = readOn(clients)
            let closedCount = before - clients.count
            if closedCount > 0 { state.withLock { $0.openCount -= closedCount } }
        }
        for client in clients { close(client.socket) }
    }

    func stop() {
        let left = state.update { state in
            state.isStopping = true
            defer { state.adopted = [] }
            return state.adopted
        }
        for socket in left { close(socket) }
    }

    /// What was adopted since; nil when stopping.
    private func next(mayWait: Bool) -> [Int32]? {
        state.wait(until: mayWait ? .distantFuture : .now()) { state -> [Int32]?? in
            if state.isStopping { return .some(nil) }
            if state.adopted.isEmpty, mayWait { return nil }
            defer { state.adopted = [] }
            return .some(state.adopted)
        } ?? []
    }

    /// Waits a moment for bytes, discards them, and closes what is done.
    private func readOn(_ clients: [Client]) -> [Client] {
        var requests = clients.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
        // As of before the look: while this thread stood still, no client was idle.
        let now = MonotonicTime.now()
        poll(&requests, nfds_t(requests.count), Self.pollMilliseconds)
        var left: [Client] = []
        for (var client, request) in zip(clients, requests) {
            if request.revents != 0 {
                guard discardInput(of: client.socket) else {
                    close(client.socket)
                    continue
                }
                client.idleAt = .now() + Self.idleMax
            }
            if now < client.idleAt, now < client.closeAt {
                left.append(client)
            } else {
                close(client.socket)
            }
        }
        return left
    }

    /// Answers false when nothing more can come.
    private func discardInput(of socket: Int32) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 256 << 10, alignment: 1) { buffer in
            let count = recv(
                socket, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))
        }
    }
}
