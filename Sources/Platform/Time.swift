import Glibc

/// A point on the machine's monotonic clock (`CLOCK_MONOTONIC`). For deadlines and elapsed time only.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static func now() -> MonotonicTime {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Never reached within a process's life.
    public static let distantFuture = MonotonicTime(nanoseconds: .max / 2)

    public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        MonotonicTime(nanoseconds: time.nanoseconds + duration.wholeNanoseconds)
    }

    public static func - (later: MonotonicTime, earlier: MonotonicTime) -> Duration {
        .nanoseconds(later.nanoseconds - earlier.nanoseconds)
    }

    public static func < (a: MonotonicTime, b: MonotonicTime) -> Bool {
        a.nanoseconds < b.nanoseconds
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}

extension Duration {
    public var wholeNanoseconds: Int64 {
        components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    }

    public var wholeMilliseconds: Int64 { wholeNanoseconds / 1_000_000 }

    public var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

/// Wall-clock time: milliseconds since 1970-01-01 UTC.
public struct UnixMilliseconds: RawRepresentable, Comparable, Hashable, Sendable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static func now() -> UnixMilliseconds {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UnixMilliseconds(
            rawValue: UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000)
    }

    public static func < (a: UnixMilliseconds, b: UnixMilliseconds) -> Bool {
        a.rawValue < b.rawValue
    }

    public func advanced(by duration: Duration) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: rawValue + UInt64(max(0, duration.wholeMilliseconds)))
    }

    /// RFC 3339 in UTC with milliseconds, as in `2026-01-31T07:08:09.010Z`.
    public var rfc3339: String {
        var seconds = time_t(rawValue / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date =
            "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let time =
            "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(time).\(padded(Int(rawValue % 1000), 3))Z"
    }
}

extension UnixMilliseconds {
    /// Reads what ``rfc3339`` writes; nil for anything else.
    public init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int32? {
            Int32(String(decoding: bytes[range], as: UTF8.self))
        }
        guard bytes.count == 24, let year = number(0..<4), let month = number(5..<7),
            let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16),
            let second = number(17..<19), let millisecond = number(20..<23)
        else { return nil }
        var parts = tm()
        parts.tm_year = year - 1900
        parts.tm_mon = month - 1
        parts.tm_mday = day
        parts.tm_hour = hour
        parts.tm_min = minute
        parts.tm_sec = second
        let seconds = timegm(&parts)
        guard seconds >= 0 else { return nil }
        self.init(rawValue: UInt64(seconds) * 1000 + UInt64(max(0, millisecond)))
        guard rfc3339 == text else { return nil }
    }
}
