import Glibc
public import Platform
import Synchronization

/// What requests a namespace gets at this node: observed here, in memory alone, and new with each
/// start and full sync. No locks; many threads count at once.
public struct NamespaceTraffic: Sendable {
    private let chunk: CounterChunk
    private let place: Int

    init(_ chunk: CounterChunk, place: Int) {
        self.chunk = chunk
        self.place = place
    }

    /// Takes a request in, when no more than `limit` a second come; `limit` may come at once.
    ///
    /// - Returns: Nil when it may go on; else how long until one may.
    public func admit(limit: UInt64, at now: MonotonicTime) -> Duration? {
        var seen = chunk.counters[place].bucket.load(ordering: .relaxed)
        while true {
            switch TokenBucket(rawValue: seen).take(limit: limit, at: now) {
            case .refused(let wait): return wait
            case .taken(let next):
                let (isSwapped, found) = chunk.counters[place].bucket.weakCompareExchange(
                    expected: seen, desired: next.rawValue, ordering: .relaxed)
                if isSwapped { return nil }
                seen = found
            }
        }
    }

    public func countRead(at now: MonotonicTime) {
        NamespaceTraffic.count(chunk.counters[place].reads, now)
    }

    public func countWrite(at now: MonotonicTime) {
        NamespaceTraffic.count(chunk.counters[place].writes, now)
    }

    /// Requests that read, per second; see ``RequestRate``.
    public func readsPerSecond(at now: MonotonicTime) -> Double {
        RequestRate(rawValue: chunk.counters[place].reads.load(ordering: .relaxed)).value(at: now)
    }

    /// Requests that change something, per second.
    public func writesPerSecond(at now: MonotonicTime) -> Double {
        RequestRate(rawValue: chunk.counters[place].writes.load(ordering: .relaxed)).value(at: now)
    }

    private static func count(_ cell: borrowing Atomic<UInt64>, _ now: MonotonicTime) {
        var seen = cell.load(ordering: .relaxed)
        while true {
            let (isSwapped, found) = cell.weakCompareExchange(
                expected: seen, desired: RequestRate(rawValue: seen).counted(at: now).rawValue,
                ordering: .relaxed)
            if isSwapped { return }
            seen = found
        }
    }
}

/// A rate in one word: what came within about the last ten seconds, what is older counting less and
/// less (by a factor of e each ten seconds). Pure.
struct RequestRate: Equatable, Sendable {
    /// The rate as a float in the upper half, and when it held, in ticks, in the lower.
    let rawValue: UInt64

    static let secondsMean = 10.0
    /// 2^24 ns, about 17 ms: as 32 bits they last for two years.
    private static let tickBits = 24
    private static let secondsPerTick = Double(1 << tickBits) / 1e9

    private static func tick(_ time: MonotonicTime) -> UInt32 {
        UInt32(truncatingIfNeeded: time.nanoseconds >> tickBits)
    }

    private var rate: Double { Double(Float(bitPattern: UInt32(rawValue >> 32))) }

    func value(at now: MonotonicTime) -> Double {
        // Of most namespaces there is none.
        if rawValue == 0 { return 0 }
        let ticks = RequestRate.tick(now) &- UInt32(truncatingIfNeeded: rawValue)
        // Another thread's clock may be a little ahead.
        guard ticks > 0, ticks < UInt32.max / 2 else { return rate }
        return rate * exp(-Double(ticks) * RequestRate.secondsPerTick / RequestRate.secondsMean)
    }

    func counted(at now: MonotonicTime) -> RequestRate {
        let rate = Float(value(at: now) + 1 / RequestRate.secondsMean)
        return RequestRate(
            rawValue: UInt64(rate.bitPattern) << 32 | UInt64(RequestRate.tick(now)))
    }

    init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A token bucket in one word: the moment at which it will be full again. It holds the requests of one
/// second. Pure.
struct TokenBucket: Equatable, Sendable {
    /// Nanoseconds of the monotonic clock.
    let rawValue: UInt64

    enum Outcome: Equatable, Sendable {
        case taken(TokenBucket)
        case refused(wait: Duration)
    }

    private static let second: UInt64 = 1_000_000_000

    /// `limit` is at least 1.
    func take(limit: UInt64, at now: MonotonicTime) -> Outcome {
        let cost = TokenBucket.second / max(1, min(limit, TokenBucket.second))
        let now = UInt64(max(0, now.nanoseconds))
        // A limit that was lowered leaves a bucket that would be full only after more than a second.
        let full = min(max(rawValue, now), now + TokenBucket.second)
        let after = full + cost
        guard after <= now + TokenBucket.second else {
            return .refused(wait: .nanoseconds(Int64(after - now - TokenBucket.second)))
        }
        return .taken(TokenBucket(rawValue: after))
    }

    init(rawValue: UInt64) { self.rawValue = rawValue }
}
