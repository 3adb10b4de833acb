import Access
import Platform
import Testing

@Suite struct NonceMemoryTests {
    private let window = UInt64(ClusterSecret.timeWindow.wholeMilliseconds)
    private let start: UInt64 = 1_700_000_000_000

    /// A mutating call cannot be made inside an expectation.
    private final class Memory {
        private var nonces = NonceMemory()

        func accepts(nonce: String, time: UnixMilliseconds, now: UnixMilliseconds) -> Bool {
            nonces.accepts(nonce: nonce, time: time, now: now)
        }
    }

    private func at(_ milliseconds: UInt64) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: milliseconds)
    }

    @Test func `a nonce is taken once`() {
        let memory = Memory()
        #expect(memory.accepts(nonce: "a", time: at(start), now: at(start)))
        #expect(!memory.accepts(nonce: "a", time: at(start), now: at(start)))
        #expect(!memory.accepts(nonce: "a", time: at(start), now: at(start + 1)))
        #expect(memory.accepts(nonce: "b", time: at(start), now: at(start + 1)))
    }

    @Test func `a time that is too far from ours is refused, on both sides`() {
        let memory = Memory()
        #expect(memory.accepts(nonce: "a", time: at(start), now: at(start + window)))
        #expect(!memory.accepts(nonce: "b", time: at(start), now: at(start + window + 1)))
        let other = Memory()
        #expect(other.accepts(nonce: "a", time: at(start + window), now: at(start)))
        #expect(!other.accepts(nonce: "b", time: at(start + window + 1), now: at(start)))
    }

    @Test(arguments: [0, 1, 59_999, 60_000, 119_999, 120_000, 120_001, 500_000] as [UInt64])
    func `a nonce is never taken twice while its time would be accepted`(offset: UInt64) {
        // Whenever the memory turns over, relative to the first use.
        let memory = Memory()
        _ = memory.accepts(nonce: "first", time: at(start), now: at(start))
        let now = start + offset
        let time = now + window  // The sender's clock is ahead: valid for the longest.
        #expect(memory.accepts(nonce: "n", time: at(time), now: at(now)))
        for later in stride(from: now, through: time + window, by: 1_000) {
            #expect(!memory.accepts(nonce: "n", time: at(time), now: at(later)), "\(later - now)")
            _ = memory.accepts(nonce: "other\(later)", time: at(later), now: at(later))
        }
    }

    @Test func `old nonces are forgotten, also after the clock went back`() {
        let memory = Memory()
        // A year ahead, then right again.
        let ahead = start + 365 * 24 * 3_600_000
        #expect(memory.accepts(nonce: "ahead", time: at(ahead), now: at(ahead)))
        #expect(memory.accepts(nonce: "a", time: at(start), now: at(start)))
        #expect(!memory.accepts(nonce: "a", time: at(start), now: at(start)))
        // Two turns later the name may come again.
        var now = start
        for turn in 0..<3 {
            now += 2 * window
            #expect(memory.accepts(nonce: "turn\(turn)", time: at(now), now: at(now)))
        }
        #expect(memory.accepts(nonce: "a", time: at(now), now: at(now)))
    }

    @Test func `beyond its bounds it refuses rather than forgets`() {
        let memory = Memory()
        for number in 0..<NonceMemory.countMax {
            guard memory.accepts(nonce: "\(number)", time: at(start), now: at(start)) else {
                Issue.record("nonce \(number) is refused")
                return
            }
        }
        #expect(!memory.accepts(nonce: "one more", time: at(start), now: at(start)))
        let long = String(repeating: "x", count: 65)
        let other = Memory()
        #expect(!other.accepts(nonce: long, time: at(start), now: at(start)))
    }
}
