public import Platform

/// Remembers the nonces of signed requests for as long as their time would be accepted, so that no
/// request is taken twice. A value: the caller locks it.
public struct NonceMemory: Sendable {
    private var current: Set<String> = []
    private var previous: Set<String> = []
    private var turnsAt: UnixMilliseconds = UnixMilliseconds(rawValue: 0)

    /// Nonces kept for one window. Beyond, requests are refused rather than taken unchecked.
    public static let countMax = 200_000

    public init() {}

    /// Whether a request with this time and nonce is new and recent. Remembers it if so.
    public mutating func accepts(
        nonce: String, time: UnixMilliseconds, now: UnixMilliseconds
    ) -> Bool {
        let window = UInt64(ClusterSecret.timeWindow.wholeMilliseconds)
        if now >= turnsAt {
            previous = now.rawValue - turnsAt.rawValue > 2 * window ? [] : current
            current = []
            turnsAt = UnixMilliseconds(rawValue: now.rawValue + 2 * window)
        }
        // The clock went back: without this, nothing would be forgotten until it is there again.
        turnsAt = min(turnsAt, UnixMilliseconds(rawValue: now.rawValue + 2 * window))
        let distance =
            time > now ? time.rawValue - now.rawValue : now.rawValue - time.rawValue
        guard distance <= window, nonce.utf8.count <= 64, current.count < NonceMemory.countMax,
            !previous.contains(nonce)
        else { return false }
        return current.insert(nonce).inserted
    }
}
