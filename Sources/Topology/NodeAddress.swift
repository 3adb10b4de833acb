/// Where other nodes and clients reach a node: `http(s)://host:port` and nothing else.
///
/// Kept in one spelling (lower case, IPv6 as in RFC 5952), so equal addresses are equal values.
/// `0.0.0.0` and `[::]` are refused: each machine would understand itself by them.
public struct NodeAddress: Hashable, Sendable, CustomStringConvertible {
    public enum Scheme: String, Sendable {
        case http, https
    }

    public let scheme: Scheme
    /// A DNS name, an IPv4 address, or an IPv6 address without its brackets.
    public let host: String
    public let port: UInt16
    /// Whether the host is this very machine: `localhost`, 127.0.0.0/8 or `::1`.
    public let isLoopback: Bool
    private let isIPv6: Bool

    /// Bytes of the longest URL that is looked at; the longest valid one is shorter.
    public static let urlBytesMax = 300

    public init?(_ url: String) {
        // Visible ASCII only, before any comparison of text that would fold Unicode.
        guard url.utf8.count <= NodeAddress.urlBytesMax,
            url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        let url = url.lowercased()
        guard let separator = url.firstRange(of: "://"),
            let scheme = Scheme(rawValue: String(url[..<separator.lowerBound])),
            let colon = url.lastIndex(of: ":"), colon >= separator.upperBound,
            let port = NodeAddress.port(url[url.index(after: colon)...]),
            let host = Host(url[separator.upperBound..<colon]), !host.isUnspecified
        else { return nil }
        self.scheme = scheme
        self.host = host.text
        self.port = port
        self.isLoopback = host.isLoopback
        self.isIPv6 = host.isIPv6
    }

    /// The address in its one spelling.
    public var url: String { "\(scheme.rawValue)://\(authority)" }

    /// `host:port`, with brackets around IPv6. Two nodes cannot share it, whatever their schemes.
    public var authority: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public var description: String { url }

    private static func port(_ text: Substring) -> UInt16? {
        guard text.first != "0", text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            return nil
        }
        return UInt16(text)
    }
}
