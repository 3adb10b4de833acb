import Glibc
import HTTPClient
import Platform

extension FetchDeadlines {
    /// For a fetch that is to fail, or not to, for another reason than time: also when the server's
    /// thread is stalled.
    static let patient = FetchDeadlines(connect: .seconds(60), idle: .seconds(60))
}

extension HTTPFetcher {
    /// Blocks until the rate limit holds a fetch back, for a minute at most.
    func awaitRest() {
        let deadline = MonotonicTime.now() + .seconds(60)
        while !isHeldBack, .now() < deadline {
            _ = Monitor(()).wait(until: .now() + .milliseconds(5)) { _ in Bool?.none }
        }
    }
}

/// A TCP server on a free port of loopback that does, per connection, exactly what a test says.
final class ScriptedServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let acceptedCount = Monitor(0)

    /// Connections accepted so far.
    var connectionCount: Int { acceptedCount.withLock { $0 } }

    func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }

    /// Starts. `script` runs once per connection, each on its own thread; then it is closed.
    init(_ script: @escaping @Sendable (ScriptedConnection) -> Void) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard code else { throw SetupFailed(errno: errno) }
        self.listener = listener
        self.port = UInt16(bigEndian: address.sin_port)

        let acceptedCount = self.acceptedCount
        _ = WorkerThread(name: "test-accept") {
            while true {
                let socket = accept(listener, nil, nil)
                guard socket >= 0 else { break }
                acceptedCount.update { $0 += 1 }
                _ = WorkerThread(name: "test-connection") {
                    script(ScriptedConnection(socket: socket))
                    close(socket)
                }
            }
            close(listener)
        }
    }

    // Only wakes the accepting thread, which closes: closed here, the number could be another
    // server's by the time that thread accepts again.
    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    struct SetupFailed: Error { let errno: Int32 }
}

/// One accepted connection. Blocking.
struct ScriptedConnection {
    let socket: Int32

    /// The next request with its body, or nil once the client has closed.
    func readRequest() -> String? {
        var bytes: [UInt8] = []
        var bodyStart: Int?
        var length = 0
        while true {
            if let bodyStart, bytes.count >= bodyStart + length {
                return String(decoding: bytes, as: UTF8.self)
            }
            var byte: UInt8 = 0
            guard recv(socket, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
            if bodyStart == nil, bytes.suffix(4) == [13, 10, 13, 10] {
                bodyStart = bytes.count
                length = Self.contentLength(String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    private static func contentLength(_ head: String) -> Int {
        let lines = head.lowercased().split(whereSeparator: \.isNewline)
        let line = lines.first { $0.hasPrefix("content-length:") }
        return line.flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
    }

    /// Whether the client took all of it.
    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    socket, buffer.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    func answer(_ body: String, status: String = "200 OK", headers: String = "") {
        send("HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// Says nothing until the client closes.
    func fallSilent() {
        var byte: UInt8 = 0
        while recv(socket, &byte, 1, 0) > 0 {}
    }

    /// Closes with a reset instead of an end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}
