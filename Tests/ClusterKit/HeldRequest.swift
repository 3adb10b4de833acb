import Platform

/// A request that was sent, and whose answer is left to come: costs the test no thread.
public final class HeldRequest: Sendable {
    private let socket: Socket

    /// Blocks until it is sent. With `receiveBytes` the kernel takes about as much of the answer, until
    /// it is read.
    public init(
        _ path: String, at port: UInt16, headers: [(String, String)] = [],
        receiveBytes: Int32? = nil
    ) throws {
        socket = try Socket.connected(to: port, receiveBytes: receiveBytes)
        let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
        let text = "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\(lines)\r\n"
        guard socket.write(Array(text.utf8)) else {
            throw ClusterFailure("the request for \(path) cannot be sent")
        }
    }

    /// By which the server knows the connection.
    public var localPort: UInt16 { socket.localPort }

    /// Whether nothing has come yet.
    public var isHeld: Bool { !socket.isReadable(within: .zero) }

    /// What has come by now, as text.
    public func received() -> String {
        var bytes: [UInt8] = []
        while socket.isReadable(within: .milliseconds(200)) {
            let more = socket.read(countMax: 64 << 10)
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All that comes until `mark` has come, or the end, or the time is up.
    public func received(until mark: String, within time: Duration = .seconds(30)) -> String {
        let mark = Array(mark.utf8)
        var bytes: [UInt8] = []
        let deadline = MonotonicTime.now() + time
        while MonotonicTime.now() < deadline {
            guard socket.isReadable(within: .milliseconds(200)) else { continue }
            let more = socket.read(countMax: 64 << 10)
            bytes += more
            // Only where it can have become whole by now.
            let hasMark = bytes.suffix(more.count + mark.count).firstRange(of: mark) != nil
            if more.isEmpty || hasMark { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
