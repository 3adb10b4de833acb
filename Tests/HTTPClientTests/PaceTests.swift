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
    private let quiet = FetchClock.Round(
        isConnected: true, isActive: false, bytesRead: 0, bytesSent: 0)

    @Test func `the idle deadline begins with the connection`() {
        var clock = FetchClock(FetchDeadlines(idle: .seconds(3)), now: start)
        #expect(clock.expired(at: start + .seconds(60)) == nil)
        clock.note(quiet, at: start)
        #expect(clock.expired(at: start + .seconds(2)) == nil)
        #expect(clock.expired(at: start + .seconds(3)) == .idle)
    }

    @Test func `bytes out count as well as bytes in`() {
        var clock = FetchClock(FetchDeadlines(idle: .seconds(3)), now: start)
        var round = quiet
        round.bytesSent = 1
        clock.note(round, at: start + .seconds(2))
        #expect(clock.expired(at: start + .seconds(4)) == nil)
        clock.note(round, at: start + .seconds(4))
        #expect(clock.expired(at: start + .seconds(5)) == .idle)
    }

    @Test func `a pause of our own is not the server's silence, but counts in total`() {
        let deadlines = FetchDeadlines(idle: .seconds(3), total: .seconds(20))
        var clock = FetchClock(deadlines, now: start)
        var round = quiet
        round.bytesRead = 10
        round.isActive = true
        clock.note(round, at: start)
        #expect(clock.pause(at: start, bytesPerSecond: 1) == .seconds(10))
        #expect(clock.pause(at: start + .seconds(11), bytesPerSecond: 1) == .zero)
        #expect(clock.expired(at: start + .seconds(11)) == nil)
        #expect(clock.expired(at: start + .seconds(14)) == .idle)
        #expect(clock.expired(at: start + .seconds(20)) == .total)
    }
}
