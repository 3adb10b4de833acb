import Glibc

/// A bound, listening TCP socket. Whoever takes `descriptor` closes it.
struct ListeningSocket {
    let descriptor: Int32
    /// The real port, also when 0 was asked for.
    let port: UInt16

    private static let backlog: Int32 = 1024

    /// - Parameters:
    ///   - address: An IPv4 or IPv6 literal, the latter also in brackets, or `localhost`.
    ///   - port: 0 picks a free one.
    /// - Throws: ``HTTPServerError``.
    init(address: String, port: UInt16) throws(HTTPServerError) {
        var bound = try SocketAddress(address: address, port: port)
        let descriptor = socket(
            bound.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Self.failure(address, port) }

        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if bound.family == AF_INET6 {
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size)
        }
        let isListening = bound.withPointer { pointer, length in
            Glibc.bind(descriptor, pointer, length) == 0 && listen(descriptor, Self.backlog) == 0
                && getsockname(descriptor, pointer, &length) == 0
        }
        guard isListening else {
            let failure = Self.failure(address, port)
            close(descriptor)
            throw failure
        }
        self.descriptor = descriptor
        self.port = bound.port
    }

    private static func failure(_ address: String, _ port: UInt16) -> HTTPServerError {
        errno == EADDRINUSE
            ? .addressInUse(address: address, port: port)
            : .cannotListen(address: address, port: port, detail: String(cString: strerror(errno)))
    }
}

/// An IPv4 or IPv6 address with a port, in the form the system wants.
private struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length: socklen_t

    init(address: String, port: UInt16) throws(HTTPServerError) {
        var text = address == "localhost" ? "127.0.0.1" : address
        if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }

        var four = sockaddr_in()
        var six = sockaddr_in6()
        if inet_pton(AF_INET, text, &four.sin_addr) == 1 {
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: four, as: sockaddr_in.self) }
        } else if inet_pton(AF_INET6, text, &six.sin6_addr) == 1 {
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: six, as: sockaddr_in6.self) }
        } else {
            throw .invalidAddress(address)
        }
    }

    var family: Int32 { Int32(storage.ss_family) }

    /// The port stands at the same place for both families.
    var port: UInt16 {
        withUnsafeBytes(of: storage) {
            UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    mutating func withPointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result
    ) -> Result {
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }
}
