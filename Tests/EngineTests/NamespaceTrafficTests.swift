import Platform
import Testing

@testable import Engine

@Suite struct NamespaceTrafficTests {
    private let start = MonotonicTime(nanoseconds: 5_000_000_000_000)

    @Test(arguments: [UInt64(1), 3, 7, 100, 1_000_000])
    func `a bucket lets in its limit at once and then its limit each second`(limit: UInt64) {
        var bucket = TokenBucket(rawValue: 0)
        func take(_ now: MonotonicTime) -> Bool {
            guard case .taken(let next) = bucket.take(limit: limit, at: now) else { return false }
            bucket = next
            return true
        }
        for _ in 0..<limit { #expect(take(start)) }
        #expect(!take(start))
        // Ten seconds, asked for twice as often as is allowed, and a little more.
        var taken: UInt64 = 0
        let tries = min(limit, 1_000) * 20
        for number in 1...tries {
            let now = start + .nanoseconds(10_000_000_000 / Int64(tries) * Int64(number))
            if take(now) { taken += 1 }
        }
        #expect(taken <= limit * 10)
        #expect(taken >= min(limit * 10, tries) * 9 / 10 || limit > 1_000)
        // Never more than a second's worth, however long nobody came.
        let later = start + .seconds(3_600)
        for _ in 0..<limit { #expect(take(later)) }
        #expect(!take(later))
    }

    @Test func `who is refused is told when to come again`() {
        var bucket = TokenBucket(rawValue: 0)
        for _ in 0..<4 {
            guard case .taken(let next) = bucket.take(limit: 4, at: start) else {
                Issue.record("refused below the limit")
                return
            }
            bucket = next
        }
        #expect(bucket.take(limit: 4, at: start) == .refused(wait: .milliseconds(250)))
        guard case .taken = bucket.take(limit: 4, at: start + .milliseconds(250)) else {
            Issue.record("refused when it was told to come")
            return
        }
        // A limit that was lowered counts at once, but nobody waits for longer than its second.
        #expect(bucket.take(limit: 1, at: start) == .refused(wait: .seconds(1)))
    }

    @Test func `sixteen threads together are let in as often as one`() {
        let traffic = NamespaceTraffic(CounterChunk(), place: 7)
        let now = MonotonicTime.now()
        let taken = Monitor(0)
        inParallel(16) { _ in
            for _ in 0..<1_000 where traffic.admit(limit: 777, at: now) == nil {
                taken.withLock { $0 += 1 }
            }
        }
        #expect(taken.withLock { $0 } == 777)
    }

    @Test func `a rate comes to what comes each second, and fades`() {
        var rate = RequestRate(rawValue: 0)
        var now = start
        for _ in 0..<60_000 {
            now = now + .milliseconds(1)
            rate = rate.counted(at: now)
        }
        #expect(abs(rate.value(at: now) - 1_000) < 20)
        #expect(abs(rate.value(at: now + .seconds(10)) - 368) < 10)
        #expect(rate.value(at: now + .seconds(120)) < 0.01)
        // Another thread's clock may be behind.
        #expect(rate.value(at: now + .milliseconds(-100)) <= 1_000)
    }

    @Test func `no request is lost when many count at once`() {
        let traffic = NamespaceTraffic(CounterChunk(), place: 7)
        let now = MonotonicTime.now()
        inParallel(8) { _ in for _ in 0..<1_000 { traffic.countWrite(at: now) } }
        #expect(abs(traffic.writesPerSecond(at: now) - 800) < 1)
        #expect(traffic.readsPerSecond(at: now) == 0)
    }
}
