import Platform

/// Decides which deadline has passed and when to read again.
///
/// Pure. The connect deadline is curl's: it knows when the connection stands.
struct FetchClock {
    private let deadlines: FetchDeadlines
    private let startedAt: MonotonicTime
    private var isConnected = false
    private var activeAt: MonotonicTime
    /// When curl last looked at the socket: while this thread stood still, the server was not silent.
    private var lookedAt: MonotonicTime
    /// Since the last look the rate limit has held back reading.
    private var isResting = false
    private var bytesSent: Int64 = 0
    private var pace: Pace

    init(_ deadlines: FetchDeadlines, now: MonotonicTime) {
        self.deadlines = deadlines
        self.startedAt = now
        self.activeAt = now
        self.lookedAt = now
        self.pace = Pace(now: now)
    }

    /// The deadline that has passed, if one has.
    func expired(at now: MonotonicTime) -> FetchError.Phase? {
        if let total = deadlines.total, now - startedAt >= total { return .total }
        if isConnected, lookedAt - activeAt >= deadlines.idle { return .idle }
        return nil
    }

    /// How long the rate limit forbids to read. The idle deadline rests meanwhile.
    mutating func pause(at now: MonotonicTime, bytesPerSecond: UInt64?) -> Duration {
        let delay = pace.delay(at: now, bytesPerSecond: bytesPerSecond)
        if delay > .zero || isResting { activeAt = now }
        isResting = delay > .zero
        return delay
    }

    /// Takes in what one round has moved. `now` is after the caller has digested it.
    mutating func note(_ round: Round, at now: MonotonicTime) {
        pace.owe(bytes: round.bytesRead)
        lookedAt = round.lookedAt
        if round.isActive || round.bytesSent != bytesSent { activeAt = now }
        isConnected = round.isConnected
        bytesSent = round.bytesSent
    }

    struct Round {
        /// Before curl looked.
        var lookedAt: MonotonicTime
        var isConnected: Bool
        /// Whether anything came in, head or body.
        var isActive: Bool
        /// Of the body that came in.
        var bytesRead: Int
        /// Of the body that went out, since the beginning.
        var bytesSent: Int64
    }
}
