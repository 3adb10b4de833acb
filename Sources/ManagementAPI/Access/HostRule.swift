import Topology

/// Which `Host` a request may have: without this rule a foreign page could have its own name resolve
/// to this machine, and talk to the node as if it were the page's own server.
struct HostRule: Sendable {
    /// Besides loopback, which is always allowed, whatever the port.
    private let hosts: Set<String>
    /// Whole values that are known to be right: most requests have one of them.
    private let known: Set<String>

    /// - Parameters:
    ///   - allowed: Hosts without port: those of `--http`, `--advertise` and `--allow-host`. IPv6
    ///     in brackets or without.
    ///   - port: This node's.
    init(allowed: [String], port: UInt16) {
        hosts = Set(
            allowed.compactMap { host in
                let isBareIPv6 = host.contains(":") && !host.hasPrefix("[")
                return HostRule.parse(isBareIPv6 ? "[\(host)]" : host)?.host
            })
        let names = ["127.0.0.1", "localhost", "[::1]"] + hosts.filter { !$0.contains(":") }
        known = Set(names.map { "\($0):\(port)" })
    }

    /// Nil when the host is one of this node's.
    func refusal(of host: String?) -> Problem? {
        guard let host else {
            return .badHost("The request has no Host. Send the host and port that were asked for.")
        }
        if known.contains(host) { return nil }
        guard let address = HostRule.parse(host), address.isLoopback || hosts.contains(address.host)
        else {
            return .badHost(
                "The Host is not one of this node's. Ask it by its address, or start it with --allow-host."
            )
        }
        return nil
    }

    /// `host` or `host:port`; nil when it is neither. The port is left out.
    static func parse(_ text: String) -> NodeAddress? {
        var host = text[...]
        let bracket = text.lastIndex(of: "]")
        if let colon = text.lastIndex(of: ":"), bracket.map({ $0 < colon }) ?? true {
            let port = text[text.index(after: colon)...]
            guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            host = text[..<colon]
        }
        return NodeAddress("http://\(host):1")
    }
}
