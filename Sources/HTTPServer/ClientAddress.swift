import Glibc

/// Where a connection comes from, without the port.
struct ClientAddress: Hashable, Sendable {
    let text: String
    let isLoopback: Bool

    init(_ address: UnsafePointer<sockaddr>?) {
        var text = "unknown"
        var isLoopback = false
        switch address.map({ Int32($0.pointee.sa_family) }) {
        case AF_INET:
            address?.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                var four = $0.pointee.sin_addr
                text = Self.text(AF_INET, &four)
                isLoopback = UInt32(bigEndian: four.s_addr) >> 24 == 127
            }
        case AF_INET6:
            address?.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                var six = $0.pointee.sin6_addr
                text = Self.text(AF_INET6, &six)
                isLoopback = text == "::1"
            }
        default: break
        }
        self.text = text
        self.isLoopback = isLoopback
    }

    private static func text(_ family: Int32, _ address: UnsafeRawPointer) -> String {
        let capacity = Int(INET6_ADDRSTRLEN)
        return String(unsafeUninitializedCapacity: capacity) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                inet_ntop(family, address, characters.baseAddress, socklen_t(capacity))
                    .map(strlen) ?? 0
            }
        }
    }
}
