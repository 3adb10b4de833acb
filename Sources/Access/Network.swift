public import Platform

/// A range of addresses, as in `10.0.0.0/8`, that a token may be used from.
public struct Network: Hashable, Sendable, CustomStringConvertible {
    private let base: IPAddress
    private let length: Int

    public static let rule =
        "an address range as 10.0.0.0/8 or 2001:db8::/32, or one address; no bit may be set behind the prefix"

    /// - Parameter text: `address/length`, or an address alone. Bits behind the prefix are a mistake
    ///   that would be guessed wrongly: nil.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let whole = address.bytes.count * 8
        var length = whole
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(parts[1]), number <= whole
            else { return nil }
            length = number
        }
        guard address.prefix(bits: length) == address else { return nil }
        self.base = address
        self.length = length
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.isIPv6 == base.isIPv6 && address.prefix(bits: length) == base
    }

    public var description: String { "\(base)/\(length)" }
}
