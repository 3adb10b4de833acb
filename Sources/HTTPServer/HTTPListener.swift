import CMicroHTTPD
import Glibc
public import Platform

/// A certificate chain and its key, both PEM.
public struct TLSIdentity: Sendable {
    public var certificatePEM: String
    public var keyPEM: String

    public init(certificatePEM: String, keyPEM: String) {
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
    }
}

/// Serves HTTP/1.1 on one port, from `init` until ``stop(deadline:)``.
public final class HTTPListener: Sendable {
    /// The port it listens on, also when 0 was asked for.
    public let port: UInt16

    private let listening: Listening
    private let sweeper: Sweeper
    private let daemon: Monitor<Daemon?>

    /// Those that ``renew(_:)`` has replaced: they accept nobody, and serve whom they have.
    private let retired = Monitor<[Daemon]>([])

    private struct Daemon: @unchecked Sendable {
        // Sendable because the handle is only passed to libmicrohttpd, which locks.
        let handle: OpaquePointer
        let socket: Int32
    }

    /// - Parameters:
    ///   - address: An IPv4 or IPv6 literal, or `localhost`.
    ///   - port: 0 picks a free one.
    ///   - tls: Nil serves plain HTTP.
    ///   - limits: What clients are granted.
    ///   - handler: What answers the requests.
    /// - Throws: ``HTTPServerError``.
    public init(
        address: String, port: UInt16, tls: TLSIdentity? = nil, limits: ServerLimits = .init(),
        handler: RequestHandler
    ) throws(HTTPServerError) {
        limits.checkInvariants()
        let socket = try ListeningSocket(address: address, port: port)
        let listening = Listening(limits: limits, handler: handler, isTLS: tls != nil)
        guard
            let handle = Self.start(socket: socket.descriptor, tls: tls, listening: listening)
        else { throw .cannotStart }
        self.port = socket.port
        self.listening = listening
        self.daemon = Monitor(Daemon(handle: handle, socket: socket.descriptor))
        let sweeper = Sweeper(listening: listening)
        self.sweeper = sweeper
        _ = WorkerThread(name: "http-sweeper") { sweeper.run() }
        _ = WorkerThread(name: "http-linger") { listening.lingering.run() }
    }

    /// Has new connections served with another certificate; those that stand go on with theirs. Not
    /// to be called while ``stop(deadline:)`` runs.
    ///
    /// - Returns: False, with nothing changed, when the certificate and the key cannot be used, or the
    ///   listener is stopped or has no TLS.
    public func renew(_ tls: TLSIdentity) -> Bool {
        guard listening.isTLS, let old = daemon.withLock({ $0 }) else { return false }
        // Both accept from one socket for a moment, so that nobody is turned away.
        let socket = dup(old.socket)
        guard socket >= 0 else { return false }
        guard let handle = Self.start(socket: socket, tls: tls, listening: listening) else {
            Glibc.close(socket)
            return false
        }
        daemon.withLock { $0 = Daemon(handle: handle, socket: socket) }
        let left = MHD_quiesce_daemon(old.handle)
        if left >= 0 { Glibc.close(left) }
        let idle = retired.withLock { retired in
            retired.append(old)
            let idle = retired.filter { shim_connection_count($0.handle) == 0 }
            retired.removeAll { shim_connection_count($0.handle) == 0 }
            return idle
        }
        for daemon in idle { MHD_stop_daemon(daemon.handle) }
        return true
    }

    deinit { stop(deadline: .now()) }

    private static func start(
        socket: Int32, tls: TLSIdentity?, listening: Listening
    ) -> OpaquePointer? {
        let limits = listening.limits
        var settings = shim_daemon_settings()
        settings.flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
            | (tls == nil ? 0 : MHD_USE_TLS.rawValue)
        settings.listen_socket = socket
        settings.threads = UInt32(limits.threads)
        settings.connections_max = UInt32(limits.connectionsMax)
        settings.header_bytes_max = limits.headerBytesMax
        settings.idle_timeout_seconds = UInt32(limits.idleTimeout.components.seconds)
        // Unretained: the listener owns it, and stops the daemon before releasing it.
        settings.context = Unmanaged.passUnretained(listening).toOpaque()
        settings.accept = Trampolines.accept
        settings.connection_changed = Trampolines.connectionChanged
        settings.request_line = Trampolines.requestLine
        settings.request = Trampolines.request
        settings.completed = Trampolines.completed
        settings.unescape = Trampolines.unescape
        guard let tls else { return shim_start_daemon(&settings) }

        return tls.certificatePEM.withCString { certificate in
            tls.keyPEM.withCString { key in
                settings.tls_certificate_pem = certificate
                settings.tls_key_pem = key
                return shim_start_daemon(&settings)
            }
        }
    }

    /// Stops accepting, answers what waits with `stopping`, and lets answers be sent until `deadline`;
    /// then closes everything. Streams that do not come to their end within ``streamGrace``, or half of
    /// what is left, are broken off. Blocks; a second call does nothing.
    public func stop(deadline: MonotonicTime) {
        guard
            let daemon = daemon.withLock({ daemon in
                defer { daemon = nil }
                return daemon
            })
        else { return }
        let listenSocket = MHD_quiesce_daemon(daemon.handle)
        listening.beginStopping()
        // Who waits later than this finds the listener stopping, and does not.
        let waiters = listening.connections.all.compactMap(\.waiter)
        for waiter in waiters where !waiter.isStream { listening.dismiss(waiter) }
        let left = deadline - .now()
        awaitRequests(until: .now() + min(left / 2, HTTPListener.streamGrace))
        for waiter in waiters where waiter.isStream { listening.dismiss(waiter) }
        awaitRequests(until: deadline)
        sweeper.stop()
        listening.lingering.stop()
        close(daemon, listenSocket: listenSocket)
        for daemon in retired.withLock({ $0 }) { MHD_stop_daemon(daemon.handle) }
    }

    /// How long a stream has for its last bytes when the listener stops.
    public static let streamGrace = Duration.seconds(1)

    /// Until the last request is over.
    private func awaitRequests(until deadline: MonotonicTime) {
        let pause = Monitor(())
        while listening.requestsOpen > 0, .now() < deadline {
            _ = pause.wait(until: .now() + .milliseconds(2)) { _ in Never?.none }
        }
    }

    /// Joins libmicrohttpd's threads. A handler that blocks against its contract holds this up.
    private func close(_ daemon: Daemon, listenSocket: Int32) {
        MHD_stop_daemon(daemon.handle)
        if listenSocket >= 0 { Glibc.close(listenSocket) }
    }
}
