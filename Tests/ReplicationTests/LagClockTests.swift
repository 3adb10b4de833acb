import Log
import Platform
import Replication
import Testing

@Suite struct LagClockTests {
    static let start = MonotonicTime(nanoseconds: 7_000_000_000)

    static func at(_ seconds: Double) -> MonotonicTime { start + .seconds(seconds) }

    /// Ten entries of 100 bytes each second, from index 1 on; index 0 at the start.
    static func clock(seconds: Int) -> LagClock {
        var clock = LagClock()
        clock.append(.zero, addedBytes: 0, at: start)
        for tick in 1...(seconds * 10) {
            clock.append(
                LogIndex(UInt64(tick)), addedBytes: 100, at: at(Double(tick) / 10))
        }
        return clock
    }

    @Test func `who has everything is not behind`() {
        let clock = Self.clock(seconds: 5)
        #expect(clock.lag(acked: LogIndex(50), at: Self.at(60)) == .none)
        #expect(LagClock().lag(acked: .zero, at: Self.start) == .none)
    }

    @Test func `seconds count from when the first missing entry was appended`() {
        let clock = Self.clock(seconds: 5)
        let lag = clock.lag(acked: LogIndex(40), at: Self.at(6))
        #expect(lag.entries == 10)
        #expect(lag.bytes == 1_000)
        #expect(abs(lag.seconds - 1.9) < 0.001)
    }

    @Test func `entries of one sample are appended within 10 ms`() {
        var clock = LagClock()
        clock.append(.zero, addedBytes: 0, at: Self.start)
        for step in 1...1_000 {
            clock.append(LogIndex(UInt64(step)), addedBytes: 10, at: Self.at(Double(step) / 1_000))
        }
        for acked in stride(from: UInt64(0), to: 1_000, by: 7) {
            let lag = clock.lag(acked: LogIndex(acked), at: Self.at(1))
            let truth = 1 - Double(acked + 1) / 1_000
            #expect(lag.seconds >= truth - 1e-9 && lag.seconds < truth + 0.0101)
            #expect(lag.entries == 1_000 - acked)
            #expect(abs(Int(lag.bytes) - Int(1_000 - acked) * 10) <= 10)
        }
    }

    @Test func `an old acknowledgement is never shown younger than it is`() {
        var clock = LagClock()
        clock.append(.zero, addedBytes: 0, at: Self.start)
        for step in 1...20_000 {
            clock.append(LogIndex(UInt64(step)), addedBytes: 10, at: Self.at(Double(step) / 50))
        }
        let now = Self.at(400)
        for acked in stride(from: UInt64(0), to: 20_000, by: 501) {
            let lag = clock.lag(acked: LogIndex(acked), at: now)
            let truth = 400 - Double(acked + 1) / 50
            #expect(lag.seconds >= truth - 1e-6)
            #expect(lag.seconds <= truth * 1.07 + 0.03)
        }
    }

    @Test func `who stands before the clock began is at least that old`() {
        var clock = LagClock()
        clock.append(LogIndex(100), addedBytes: 0, at: Self.start)
        clock.append(LogIndex(110), addedBytes: 500, at: Self.at(1))
        let lag = clock.lag(acked: LogIndex(50), at: Self.at(3))
        #expect(lag.entries == 60)
        #expect(lag.seconds >= 3)
    }

    @Test func `the rate is that of the last seconds, and zero when nothing is written`() {
        let clock = Self.clock(seconds: 60)
        #expect(abs(clock.bytesPerSecond(at: Self.at(60)) - 1_000) < 50)
        #expect(clock.bytesPerSecond(at: Self.at(65)) < 600)
        #expect(clock.bytesPerSecond(at: Self.at(80)) == 0)
        #expect(LagClock().bytesPerSecond(at: Self.start) == 0)
    }
}
