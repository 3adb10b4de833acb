import Platform
import Testing

@testable import HTTPClient

@Suite struct PaceTests {
    private let start = MonotonicTime(nanoseconds: 0)

    @Test func `what was read is paid back by time at the rate`() {
        var pace = Pace(now: start)
        pace.owe(bytes: 1_000)
        #expect(pace.delay(at: start, bytesPerSecond: 500) == .seconds(2))
        #expect(pace.delay(at: start + .seconds(1), bytesPerSecond: 500) == .seconds(1))
        #expect(pace.delay(at: start + .seconds(9), bytesPerSecond: 500) == .zero)
    }

    @Test func `time without reading is not saved up`() {
        var pace = Pace(now: start)
        pace.owe(bytes: 0)
        #expect(pace.delay(at: start + .seconds(60), bytesPerSecond: 500) == .zero)
        pace.owe(bytes: 1_000)
        #expect(pace.delay(at: start + .seconds(60), bytesPerSecond: 500) == .seconds(2))
    }

    @Test func `a new rate judges the debt anew, and none forgives it`() {
        var pace = Pace(now: start)
        pace.owe(bytes: 1_000)
        #expect(pace.delay(at: start, bytesPerSecond: 1) == .seconds(1_000))
        #expect(pace.delay(at: start, bytesPerSecond: 1_000) == .seconds(1))
        #expect(pace.delay(at: start, bytesPerSecond: nil) == .zero)
        #expect(pace.delay(at: start, bytesPerSecond: 1) == .zero)
    }

    @Test func `after a lower rate nothing rests for more than a second of the new one`() {
        var pace = Pace(now: start)
        pace.owe(bytes: 1_000_000)
        #expect(pace.delay(at: start, bytesPerSecond: 10_000_000) == .milliseconds(100))
        #expect(pace.delay(at: start, bytesPerSecond: 1_000) == .seconds(1))
    }
}

@Suite struct FetchClockTests {
    private let start = MonotonicTime(nanoseconds: 0)

    private func quiet(at second: Int) -> FetchClock.Round {
        FetchClock.Round(
            lookedAt: start + .seconds(second), isConnected: true, isActive: false, bytesRead: 0,
            bytesSent: 0)
    }

    /// A look that finds nothing, and what the clock says then.
    private func lookInVain(_ clock: inout FetchClock, at second: Int) -> FetchError.Phase? {
        clock.note(quiet(at: second), at: start + .seconds(second))
        return clock.expired(at: start + .seconds(second))
    }

    @Test func `the idle deadline begins with the connection`() {
        var clock = FetchClock(FetchDeadlines(idle: .seconds(3)), now: start)
        #expect(clock.expired(at: start + .seconds(60)) == nil)
        #expect(lookInVain(&clock, at: 0) == nil)
        #expect(lookInVain(&clock, at: 2) == nil)
        #expect(lookInVain(&clock, at: 3) == .idle)
    }

    @Test func `bytes out count as well as bytes in`() {
        var clock = FetchClock(FetchDeadlines(idle: .seconds(3)), now: start)
        for second in [2, 4] {
            var round = quiet(at: second)
            round.bytesSent = 1
            clock.note(round, at: start + .seconds(second))
            #expect(clock.expired(at: start + .seconds(second)) == nil)
        }
        var round = quiet(at: 5)
        round.bytesSent = 1
        clock.note(round, at: start + .seconds(5))
        #expect(clock.expired(at: start + .seconds(5)) == .idle)
    }

    @Test func `while we stood still the server was not silent`() {
        var clock = FetchClock(FetchDeadlines(idle: .seconds(3)), now: start)
        #expect(lookInVain(&clock, at: 1) == nil)
        #expect(clock.expired(at: start + .seconds(60)) == nil, "before the next look")
        clock.note(quiet(at: 2), at: start + .seconds(60))
        #expect(clock.expired(at: start + .seconds(60)) == nil, "after a look of before")
        #expect(lookInVain(&clock, at: 60) == .idle)
    }

    @Test func `a pause of our own is not the server's silence, but counts in total`() {
        let deadlines = FetchDeadlines(idle: .seconds(3), total: .seconds(20))
        var clock = FetchClock(deadlines, now: start)
        var round = quiet(at: 0)
        round.bytesRead = 10
        round.isActive = true
        clock.note(round, at: start)
        #expect(clock.pause(at: start, bytesPerSecond: 1) == .seconds(10))
        #expect(clock.pause(at: start + .seconds(11), bytesPerSecond: 1) == .zero)
        #expect(lookInVain(&clock, at: 11) == nil)
        #expect(lookInVain(&clock, at: 14) == .idle)
        #expect(clock.expired(at: start + .seconds(20)) == .total)
    }
}
