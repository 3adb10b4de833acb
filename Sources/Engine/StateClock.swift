import Platform

/// The time that expiry goes by on one node: that of the newest entry, plus what has passed since.
///
/// Invariant: it never goes back, whatever the wall clock does, so what has expired stays so. (The
/// primary gives its entries this time at least, so that it passes on to the replicas.)
struct StateClock: Sendable {
    private var base: UnixMilliseconds
    private var at: MonotonicTime

    init(_ base: UnixMilliseconds, at: MonotonicTime) {
        self.base = base
        self.at = at
    }

    func time(at now: MonotonicTime) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: base.rawValue + UInt64(max(0, (now - at).wholeMilliseconds)))
    }

    /// An entry of the time `entry` was applied.
    mutating func advance(to entry: UnixMilliseconds, at now: MonotonicTime) {
        guard entry > time(at: now) else { return }
        base = entry
        at = now
    }
}
