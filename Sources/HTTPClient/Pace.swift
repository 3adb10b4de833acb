import Platform

/// A rate limit as a debt: what was read is owed, and time pays it back at the rate.
///
/// Pure. curl has such a limit too (CURLOPT_MAX_RECV_SPEED_LARGE); it judges windows of three
/// seconds, so a rate lowered while it runs stops the transfer for as long as the old speed has
/// outrun it, and nobody can tell its pauses from a silent server.
struct Pace {
    private var debtBytes = 0.0
    private var paidUntil: MonotonicTime
    private var lastRate: UInt64?

    init(now: MonotonicTime) { self.paidUntil = now }

    /// How long to read nothing now; zero with `rate` nil, which also forgives what is owed.
    ///
    /// What is owed from a faster rate counts for a second at most: a limit that was lowered must not
    /// look like a link that hangs.
    mutating func delay(at now: MonotonicTime, bytesPerSecond rate: UInt64?) -> Duration {
        defer {
            paidUntil = now
            lastRate = rate
        }
        guard let rate else {
            debtBytes = 0
            return .zero
        }
        let speed = Double(max(1, rate))
        if let lastRate, rate < lastRate { debtBytes = min(debtBytes, speed) }
        debtBytes = max(0, debtBytes - (now - paidUntil).inSeconds * speed)
        return .seconds(debtBytes / speed)
    }

    /// How much to read at once: a tenth of a second's worth, so that it flows evenly.
    static func pieceBytesMax(bytesPerSecond rate: UInt64?) -> Int {
        let most = 512 << 10
        guard let rate else { return most }
        return min(most, Int(clamping: rate / 10))
    }

    mutating func owe(bytes: Int) { debtBytes += Double(bytes) }
}
