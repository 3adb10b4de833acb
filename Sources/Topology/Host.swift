/// The host of a node's address: lower-case ASCII, validated, in one spelling.
enum Host {
    case name(String)
    case ipv4([UInt8])
    case ipv6([UInt16])

    /// - Parameter text: Lower-case ASCII, IPv6 in brackets.
    init?(_ text: Substring) {
        if text.first == "[" {
            guard text.last == "]", let groups = Host.ipv6(text.dropFirst().dropLast()) else {
                return nil
            }
            self = .ipv6(groups)
            return
        }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, labels.allSatisfy(Host.isLabel), let last = labels.last else {
            return nil
        }
        // Resolvers read any name that ends in a number as an IPv4 address (`127.1`, `0x7f.1`).
        if last.utf8.allSatisfy(Host.isDigit) || last.hasPrefix("0x") {
            guard let octets = Host.ipv4(text) else { return nil }
            self = .ipv4(octets)
        } else {
            self = .name(String(text))
        }
    }

    var text: String {
        switch self {
        case .name(let name): name
        case .ipv4(let octets): octets.map(String.init).joined(separator: ".")
        case .ipv6(let groups): Host.text(groups)
        }
    }

    var isIPv6: Bool {
        if case .ipv6 = self { true } else { false }
    }

    var isLoopback: Bool {
        switch self {
        case .name(let name): name == "localhost"
        case .ipv4(let octets): octets[0] == 127
        case .ipv6(let groups):
            groups == [0, 0, 0, 0, 0, 0, 0, 1]
                || groups[..<6] == [0, 0, 0, 0, 0, 0xFFFF] && groups[6] >> 8 == 127
        }
    }

    /// Whether it means "this machine", on whichever machine it is read.
    var isUnspecified: Bool {
        switch self {
        case .name: false
        case .ipv4(let octets): octets[0] == 0
        case .ipv6(let groups):
            groups.allSatisfy { $0 == 0 }
                || groups[..<6] == [0, 0, 0, 0, 0, 0xFFFF] && groups[6] >> 8 == 0
        }
    }

    /// Letters, digits, `-` and `_` (no DNS host name has it, but container names do).
    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy {
                isDigit($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x5F
            }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x66).contains(byte)
    }

    /// Four decimal numbers without leading zeros, which some parsers read as octal.
    private static func ipv4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var octets: [UInt8] = []
        for part in parts {
            guard part.utf8.allSatisfy(isDigit), part == "0" || part.first != "0",
                let octet = UInt8(part)
            else { return nil }
            octets.append(octet)
        }
        return octets
    }

    /// Eight groups, or fewer around one `::`; the last two may be written as IPv4.
    private static func ipv6(_ text: Substring) -> [UInt16]? {
        guard let gap = text.firstRange(of: "::") else {
            return groups(text, mayEndInIPv4: true).flatMap { $0.count == 8 ? $0 : nil }
        }
        let before = text[..<gap.lowerBound]
        let after = text[gap.upperBound...]
        guard let head = before.isEmpty ? [] : groups(before, mayEndInIPv4: false),
            let tail = after.isEmpty ? [] : groups(after, mayEndInIPv4: true),
            head.count + tail.count <= 7
        else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var tail: [UInt16] = []
        if mayEndInIPv4, let last = parts.last, last.contains(".") {
            guard let octets = ipv4(last) else { return nil }
            let words = octets.map(UInt16.init)
            tail = [words[0] << 8 | words[1], words[2] << 8 | words[3]]
            parts.removeLast()
        }
        var groups: [UInt16] = []
        for part in parts {
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit),
                let group = UInt16(part, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups + tail
    }

    /// RFC 5952: no leading zeros, the first longest run of two or more zero groups as `::`.
    private static func text(_ groups: [UInt16]) -> String {
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > max(longest.count, 1) { longest = start..<end }
            start = end + 1
        }
        func joined(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !longest.isEmpty else { return joined(groups[...]) }
        return joined(groups[..<longest.lowerBound]) + "::" + joined(groups[longest.upperBound...])
    }
}
