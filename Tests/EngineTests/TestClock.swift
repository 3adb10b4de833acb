import Platform

/// A wall clock that a test sets.
final class TestClock: Sendable {
    private let time = Monitor(UnixMilliseconds(rawValue: 1_700_000_000_000))

    var now: UnixMilliseconds { time.withLock { $0 } }

    func move(by seconds: Int) {
        time.withLock { $0.rawValue = UInt64(Int($0.rawValue) + seconds * 1000) }
    }
}
