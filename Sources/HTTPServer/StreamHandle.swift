import CMicroHTTPD
import Glibc
import Platform

/// A stream's connection, as the stream sees it. Safe from any thread.
///
///     flowing ──nothing to read──▶ suspended
///        ▲                            │
///        └──────wake, abort───────────┘        any ──request completed──▶ over
public final class StreamHandle: Sendable {
    private let stream: any ResponseStream
    private let connection: ClientConnection
    private let mhd: MHDConnection
    private let state = Monitor(State())

    private struct State {
        var flow = Flow.flowing
        /// `wake()` came while the stream was being read: what it announced may not have been seen.
        var wasWoken = false
        var isAborted = false
    }

    private enum Flow { case flowing, suspended, over }

    init(stream: any ResponseStream, connection: ClientConnection, mhd: MHDConnection) {
        self.stream = stream
        self.connection = connection
        self.mhd = mhd
    }

    /// Has the stream read again. Does not block, and may be called with the stream's lock held.
    public func wake() {
        let mustResume = state.withLock {
            $0.wasWoken = true
            guard $0.flow == .suspended else { return false }
            $0.flow = .flowing
            return true
        }
        if mustResume { mhd.resume() }
    }

    /// Breaks the connection off, whatever is still unsent.
    public func abort() {
        let isOpen = state.withLock {
            $0.isAborted = true
            return $0.flow != .over
        }
        guard isOpen else { return }
        connection.shut()
        wake()
    }

    /// Keeps the kernel from holding more than about `bytes` that the client has not taken; by itself it
    /// holds megabytes. For as long as the connection lasts.
    public func limitUnsent(bytes: Int) {
        _ = connection.withSocket { socket in
            var size = Int32(clamping: bytes)
            // What cannot be set leaves the kernel's own limit.
            setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    func open() { stream.opened(self) }

    /// Fills `buffer`; suspends the connection when there is nothing.
    ///
    /// - Returns: The count of bytes, 0 when suspended, or one of libmicrohttpd's two end marks.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let isAborted = state.withLock {
                $0.wasWoken = false
                return $0.isAborted
            }
            if isAborted { return Int(MHD_CONTENT_READER_END_WITH_ERROR) }

            // The lock is not held: the stream may hold its own while it calls `wake()`.
            switch stream.read(max: buffer.count) {
            case .bytes(let bytes) where !bytes.isEmpty:
                invariant(
                    bytes.count <= buffer.count,
                    "a stream gave \(bytes.count) bytes, \(buffer.count) were asked for")
                buffer.copyBytes(from: bytes)
                return bytes.count
            case .bytes, .wait:
                if suspendUnlessWoken() { return 0 }
            case .end:
                return Int(MHD_CONTENT_READER_END_OF_STREAM)
            case .abort:
                return Int(MHD_CONTENT_READER_END_WITH_ERROR)
            }
        }
    }

    private func suspendUnlessWoken() -> Bool {
        state.withLock {
            guard !$0.wasWoken, !$0.isAborted else { return false }
            mhd.suspend()
            $0.flow = .suspended
            return true
        }
    }

    /// The request is over. Not called while suspended.
    func finish() {
        state.withLock { $0.flow = .over }
        stream.closed()
    }
}
