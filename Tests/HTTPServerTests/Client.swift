import Glibc

/// A raw socket to a listener on loopback, so that a test decides every byte.
final class Client: @unchecked Sendable {
    // Sendable because one thread at a time uses it.
    private let socket: Int32
    private var unread: [UInt8] = []

    struct Answer {
        var status = 0
        var headers: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// Nothing more came: the server closed, or a minute passed.
    struct Ended: Error {}

    /// Of what is not read the kernel holds at most about twice `receiveBufferBytes`; with nil it may
    /// be tens of megabytes.
    init(port: UInt16, receiveBufferBytes: Int32? = nil) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBufferBytes {
            setsockopt(
                socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Ended() }
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    /// Whether the kernel took all of it.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Sends a head with a Host.
    func request(_ line: String, _ headers: String...) {
        let lines = [line + " HTTP/1.1", "Host: localhost"] + headers
        send(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    /// One answer: by its Content-Length, its chunks, or neither for `toHead`.
    func answer(toHead: Bool = false) throws -> Answer {
        var answer = Answer()
        answer.status = Int(try line().split(separator: " ")[1]) ?? 0
        while case let field = try line(), !field.isEmpty {
            let parts = field.split(separator: ":", maxSplits: 1)
            answer.headers[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
        }
        if toHead || answer.status == 204 || answer.status == 304 || answer.status == 100 {
            return answer
        }
        if answer.headers["transfer-encoding"] == "chunked" {
            while let chunk = try chunk() { answer.body += chunk }
        } else {
            answer.body = try take(Int(answer.headers["content-length"] ?? "0") ?? 0)
        }
        return answer
    }

    /// The next chunk, or nil after the last.
    func chunk() throws -> [UInt8]? {
        let count = Int(try line(), radix: 16) ?? 0
        let bytes = try take(count)
        _ = try line()
        return count == 0 ? nil : bytes
    }

    /// Whether the server has closed, waiting for it.
    func isClosed() -> Bool {
        do {
            try fill()
            return false
        } catch { return errno != EAGAIN }
    }

    private func line() throws -> String {
        while true {
            if let end = unread.firstIndex(of: 10) {
                let line = String(decoding: unread[..<end].dropLast(), as: UTF8.self)
                unread.removeFirst(end + 1)
                return line
            }
            try fill()
        }
    }

    /// The next bytes, such as those of a body whose head was read alone.
    func take(_ count: Int) throws -> [UInt8] {
        while unread.count < count { try fill() }
        defer { unread.removeFirst(count) }
        return Array(unread[..<count])
    }

    private func fill() throws {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var count = -1
        repeat {
            errno = 0
            count = recv(socket, &buffer, buffer.count, 0)
        } while count < 0
            && errno == EINTR  // After a stop, though nobody handles a signal.
        guard count > 0 else { throw Ended() }
        unread += buffer[..<count]
    }
}
