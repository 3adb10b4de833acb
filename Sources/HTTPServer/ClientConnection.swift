import Glibc
import Platform

/// One client's socket, from accept to close.
///
/// libmicrohttpd owns the socket and closes it. Others may only look at it or shut it down through
/// ``withSocket(_:)``: after ``markClosed()`` the number may belong to another connection.
final class ClientConnection: Sendable {
    let address: ClientAddress
    private let state: Monitor<State>

    /// What the connection is doing, for whoever judges whether it takes too long.
    enum Phase: Equatable, Sendable {
        /// Between requests, or within a header. `isFirst`: nothing was served yet.
        case awaitingHeader(since: MonotonicTime, isFirst: Bool)
        case receivingBody(since: MonotonicTime, bytes: UInt64)
        case answering
    }

    /// Who suspends the connection, or may.
    enum Waiter: Sendable {
        case exchange(Exchange)
        case stream(StreamHandle)
        case body(BodyStream)

        var isStream: Bool { if case .stream = self { true } else { false } }
    }

    private struct State {
        var socket: Int32?
        var phase: Phase
        var waiter: Waiter?
    }

    init(socket: Int32, address: ClientAddress) {
        self.address = address
        self.state = Monitor(
            State(socket: socket, phase: .awaitingHeader(since: .now(), isFirst: true)))
    }

    var phase: Phase { state.withLock { $0.phase } }

    func enter(_ phase: Phase) { state.withLock { $0.phase = phase } }

    func received(bytes count: Int) {
        state.withLock {
            guard case .receivingBody(let since, let bytes) = $0.phase else { return }
            $0.phase = .receivingBody(since: since, bytes: bytes + UInt64(count))
        }
    }

    var waiter: Waiter? { state.withLock { $0.waiter } }

    func setWaiter(_ waiter: Waiter?) { state.withLock { $0.waiter = waiter } }

    /// Runs `body` with the open socket, or answers nil when it is closed. `body` must not block.
    func withSocket<Result: Sendable>(_ body: (Int32) -> Result) -> Result? {
        state.withLock { $0.socket.map(body) }
    }

    /// Ends the connection for both sides; libmicrohttpd notices and closes it.
    func shut() { _ = withSocket { shutdown($0, Int32(SHUT_RDWR)) } }

    /// Called before libmicrohttpd closes the socket.
    func markClosed() {
        state.withLock {
            $0.socket = nil
            $0.waiter = nil
        }
    }

    /// When the client last sent something, by the kernel's account; nil once closed.
    var lastReceivedAt: MonotonicTime? {
        let elapsed: UInt32?? = withSocket { socket in
            var info = tcp_info()
            var size = socklen_t(MemoryLayout<tcp_info>.size)
            guard getsockopt(socket, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0
            else { return nil }
            return info.tcpi_last_data_recv  // Milliseconds ago.
        }
        guard case .some(.some(let milliseconds)) = elapsed else { return nil }
        return .now() + .milliseconds(-Int64(milliseconds))
    }

    /// Whether the kernel has bytes of the client that nobody has read.
    var hasUnreadBytes: Bool {
        withSocket { socket in
            var byte: UInt8 = 0
            return recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
                > 0
        } ?? false
    }

    /// Whether the client has closed its side. A suspended connection is not told otherwise.
    var clientHasLeft: Bool {
        withSocket { socket in
            let hangUp: Int16 = 0x2000  // POLLRDHUP, which Glibc shows to GNU sources only.
            var request = pollfd(fd: socket, events: hangUp, revents: 0)
            return poll(&request, 1, 0) == 1
        } ?? true
    }
}
