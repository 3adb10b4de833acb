public import Platform

/// Counts wrong credentials by address, so that whoever only guesses is told to slow down. A value:
/// the caller locks it.
///
/// Two windows of a minute each are kept. When the table is full, further addresses share one count:
/// who floods from many addresses slows down strangers that are wrong too, and nobody who is right.
public struct FailedLogins: Sendable {
    private var current: [String: Int] = [:]
    private var previous: [String: Int] = [:]
    private var turnsAt: MonotonicTime

    /// Wrong credentials of one address in one window.
    public static let perAddressMax = 100
    public static let addressesMax = 10_000
    public static let window: Duration = .seconds(60)
    /// Whoever finds no place in the table.
    private static let others = ""

    public init(now: MonotonicTime) { turnsAt = now + FailedLogins.window }

    /// Counts one more, and says how many seconds the address should stay away; nil while it is
    /// within the limit.
    public mutating func count(_ address: String, now: MonotonicTime) -> Int? {
        turn(now)
        let place = place(of: address)
        let failures = current[place, default: 0] + 1
        current[place] = failures
        guard failures + (previous[place] ?? 0) > FailedLogins.perAddressMax else { return nil }
        return max(1, Int((turnsAt - now).components.seconds) + 1)
    }

    /// Of IPv6 the /64, since whoever has one address of it has all.
    private func place(of address: String) -> String {
        var name = address
        if let parsed = IPAddress(address) {
            name = (parsed.isIPv6 ? parsed.prefix(bits: 64) : parsed).description
        }
        guard current[name] == nil, current.count >= FailedLogins.addressesMax else { return name }
        return FailedLogins.others
    }

    private mutating func turn(_ now: MonotonicTime) {
        guard now >= turnsAt else { return }
        previous = now - turnsAt >= FailedLogins.window ? [:] : current
        current = [:]
        turnsAt = now + FailedLogins.window
    }
}
