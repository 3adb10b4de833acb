import Engine
import Platform

/// The time by which credentials end: the machine's, but never behind the newest entry, and never
/// backwards while the process lives. A clock that jumps revives no token.
final class CredentialClock: Sendable {
    /// Since then only the monotonic clock has counted, unless the machine's went ahead of it.
    private let base = Monitor((time: UnixMilliseconds.now(), at: MonotonicTime.now()))

    func now(_ state: EngineState?) -> UnixMilliseconds {
        let at = MonotonicTime.now()
        let known = max(UnixMilliseconds.now(), state?.header.time ?? UnixMilliseconds(rawValue: 0))
        return base.withLock { base in
            let elapsed = UInt64(max(0, (at - base.at).wholeMilliseconds))
            let steady = UnixMilliseconds(rawValue: base.time.rawValue + elapsed)
            guard known > steady else { return steady }
            base = (known, at)
            return known
        }
    }
}
