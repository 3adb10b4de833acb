import Glibc

/// An IPv4 or IPv6 address; one that is mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16, in the order in which they are written.
    public let bytes: [UInt8]

    private static let mappedPrefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]

    /// Nil for anything that is no address: names, ports and zones among them.
    public init?(_ text: String) {
        guard text.utf8.count < Int(INET6_ADDRSTRLEN), !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &bytes) == 1 {
            let isMapped = bytes.starts(with: IPAddress.mappedPrefix)
            self.bytes = isMapped ? Array(bytes[12...]) : bytes
        } else if inet_pton(AF_INET, text, &bytes) == 1 {
            self.bytes = Array(bytes[..<4])
        } else {
            return nil
        }
    }

    /// The address with the bits after the first `length` cleared.
    public func prefix(bits length: Int) -> IPAddress {
        let kept = bytes.enumerated().map { place, byte -> UInt8 in
            let bits = min(8, max(0, length - place * 8))
            return byte & UInt8(truncatingIfNeeded: 0xFF00 >> bits)
        }
        return IPAddress(bytes: kept)
    }

    public var isIPv6: Bool { bytes.count == 16 }

    /// In its one spelling (RFC 5952).
    public var description: String {
        let capacity = Int(INET6_ADDRSTRLEN)
        return String(unsafeUninitializedCapacity: capacity) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                inet_ntop(
                    isIPv6 ? AF_INET6 : AF_INET, bytes, characters.baseAddress,
                    socklen_t(capacity)
                ).map(strlen) ?? 0
            }
        }
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }
}
