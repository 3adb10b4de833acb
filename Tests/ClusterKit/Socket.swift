import Glibc
import Platform

/// A TCP socket of the loopback interface. Closed with its last reference.
///
/// Safe from any thread: the descriptor stays valid as long as the value.
public final class Socket: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    static func makeTCP() throws(ClusterFailure) -> Socket {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, type, 0)
        guard descriptor >= 0 else { throw failure("socket") }
        let made = Socket(descriptor: descriptor)
        made.set(SOL_SOCKET, SO_REUSEADDR, Int32(1))
        return made
    }

    func bindToLoopback(_ port: UInt16) -> Bool {
        withLoopback(port) { bind(descriptor, $0, $1) } == 0
    }

    /// A socket that accepts connections at `port`.
    static func listening(at port: UInt16) throws(ClusterFailure) -> Socket {
        let made = try makeTCP()
        guard made.bindToLoopback(port) else { throw failure("bind to port \(port)") }
        guard listen(made.descriptor, 128) == 0 else { throw failure("listen") }
        return made
    }

    public static func connected(
        to port: UInt16, receiveBytes: Int32? = nil
    ) throws(ClusterFailure) -> Socket {
        let made = try makeTCP()
        // Before the connection stands, as the window is agreed on then.
        if let receiveBytes { made.set(SOL_SOCKET, SO_RCVBUF, receiveBytes) }
        made.set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
        guard made.withLoopback(port, { connect(made.descriptor, $0, $1) }) == 0 else {
            throw failure("connect to port \(port)")
        }
        return made
    }

    var localPort: UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    /// The next connection, or nil when there was none within `time` or the socket is shut.
    func accepted(within time: Duration) -> Socket? {
        guard isReadable(within: time) else { return nil }
        let descriptor = accept(self.descriptor, nil, nil)
        guard descriptor >= 0 else { return nil }
        let made = Socket(descriptor: descriptor)
        made.set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
        return made
    }

    /// Whether reading would not block: there are bytes, or the end, or an error.
    func isReadable(within time: Duration) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, Int32(clamping: time.wholeMilliseconds)) > 0
    }

    /// What there is, at most `countMax` bytes; empty at the end and after an error.
    func read(countMax: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: countMax) { buffer, filled in
            var got = -1
            repeat {
                got = recv(descriptor, buffer.baseAddress, countMax, 0)
            } while got < 0
                && errno == EINTR
            filled = max(0, got)
        }
    }

    /// Whether all was taken by the kernel. Blocks while the other side does not read.
    public func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(
                    descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// All that comes until the end, or until nothing has come for `idle`.
    public func readToEnd(idle: Duration = .seconds(5)) -> [UInt8] {
        var all: [UInt8] = []
        while isReadable(within: idle) {
            let bytes = read(countMax: 64 << 10)
            if bytes.isEmpty { break }
            all += bytes
        }
        return all
    }

    func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Ends both directions and whatever blocks in them; with `reset` the other side gets an error.
    func shut(reset: Bool) {
        if reset {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        }
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private func withLoopback(
        _ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func failure(_ what: String) -> ClusterFailure {
        ClusterFailure("\(what): \(String(cString: strerror(errno)))")
    }
}
