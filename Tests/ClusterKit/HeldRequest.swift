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
}
