import Platform

/// How long one client has been slow. Pure: the caller observes and acts.
struct Patience {
    /// The phase's beginning; a value that changes begins everything anew.
    private var phaseSince: MonotonicTime?
    private var headerBeganAt: MonotonicTime?
    private var windowSince: MonotonicTime
    private var windowBytes: UInt64 = 0

    /// The kernel's time of the last byte is this coarse.
    private static let clockSlack = Duration.milliseconds(20)

    init(now: MonotonicTime) { self.windowSince = now }

    /// Whether the client is to be hung up on.
    mutating func isExhausted(
        by phase: ClientConnection.Phase, lastReceivedAt: MonotonicTime?, now: MonotonicTime,
        limits: ServerLimits
    ) -> Bool {
        switch phase {
        case .answering:
            return false
        case .awaitingHeader(let since, let isFirst):
            begin(phaseAt: since)
            // After an answer the client may idle; the clock runs from the next header's first byte,
            // which is not told to us, so from when it is seen here.
            if isFirst {
                headerBeganAt = since
            } else if headerBeganAt == nil, let last = lastReceivedAt,
                last > since + Self.clockSlack
            {
                headerBeganAt = now
            }
            guard let headerBeganAt else { return false }
            return now > headerBeganAt + limits.headerDeadline
        case .receivingBody(let since, let bytes):
            begin(phaseAt: since)
            guard now >= windowSince + limits.bodyRateWindow else { return false }
            let received = Double(bytes - windowBytes)
            let wanted = Double(limits.bodyBytesPerSecondMin) * (now - windowSince).inSeconds
            windowSince = now
            windowBytes = bytes
            return received < wanted
        }
    }

    private mutating func begin(phaseAt since: MonotonicTime) {
        guard phaseSince != since else { return }
        phaseSince = since
        headerBeganAt = nil
        windowSince = since
        windowBytes = 0
    }
}
