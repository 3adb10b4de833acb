import CCurl
import Platform

/// One reusable connection to an HTTP server.
///
/// Calls block, so they run on threads that we own, and on one thread at a time: two at once stop
/// the process. ``cancel()``, ``reset()`` and ``setRate(bytesPerSecond:)`` may be called from any
/// thread. The connection stays open between fetches to the same server; a kept one that turns out
/// to be closed is replaced once, silently, by sending the request again.
///
/// The process must ignore SIGPIPE if it uses `https`.
public final class HTTPFetcher: Sendable {
    private let userAgent: String
    private let control = Monitor(Control())
    // Used by the thread that has set `Control.isRunning`; `wakeUp` is thread-safe.
    private nonisolated(unsafe) let curl = CurlHandles()

    private struct Control {
        var isRunning = false
        var isCancelled = false
        var bytesPerSecondMax: UInt64?
        var isHeldBack = false
    }

    public init(userAgent: String) { self.userAgent = userAgent }

    /// Ends a running fetch within 50 ms, and every later one at its start until ``reset()``.
    public func cancel() {
        control.update { $0.isCancelled = true }
        curl.wakeUp()
    }

    /// Takes back ``cancel()``.
    public func reset() { control.update { $0.isCancelled = false } }

    /// How fast bodies may arrive, at once and for later fetches; nil: as fast as they can.
    ///
    /// Kept on average: what arrives in a tenth of a second may come at once.
    public func setRate(bytesPerSecond: UInt64?) {
        control.update { $0.bytesPerSecondMax = bytesPerSecond }
        curl.wakeUp()
    }

    /// Whether the rate limit keeps a running fetch from reading now.
    public var isHeldBack: Bool { control.withLock { $0.isHeldBack } }

    /// Asks, and collects the body. Blocks until the answer is complete.
    public func fetch(_ request: FetchRequest) throws(FetchError) -> FetchResponse {
        try stream(request, onHead: { _ in .collect }, onBytes: { _ in true })
    }

    /// Asks, and hands over the body as it comes. Blocks until its end.
    ///
    /// - Parameters:
    ///   - request: What to ask.
    ///   - onHead: Decides what happens with the body. Called once, on this thread.
    ///   - onBytes: Gets the next bytes, at least one; false ends the fetch, which then returns
    ///     normally. While it runs nothing is read, and the idle deadline rests.
    /// - Returns: The head, with the body if `onHead` said `.collect`.
    /// - Throws: ``FetchError``; what was delivered before stays delivered.
    public func stream(
        _ request: FetchRequest, onHead: (ResponseHead) -> StreamDecision,
        onBytes: ([UInt8]) -> Bool
    ) throws(FetchError) -> FetchResponse {
        try request.validate()
        try begin(request)
        defer {
            control.update {
                $0.isRunning = false
                $0.isHeldBack = false
            }
        }

        return try request.withBodyBytes { bytes throws(FetchError) in
            let answer = RecordedAnswer()
            curl.begin(request, userAgent: userAgent, body: bytes, into: answer)
            defer { curl.end() }

            return try drive(answer, Delivery(request), request.deadlines, onHead, onBytes)
        }
    }

    /// One round: wait, let curl work, hand over what came, look at the clock.
    private func drive(
        _ answer: RecordedAnswer, _ delivery: Delivery, _ deadlines: FetchDeadlines,
        _ onHead: (ResponseHead) -> StreamDecision, _ onBytes: ([UInt8]) -> Bool
    ) throws(FetchError) -> FetchResponse {
        var delivery = delivery
        var clock = FetchClock(deadlines, now: .now())
        while true {
            let wasPaused = answer.isPaused
            let roundBytesMax = try wait(&clock, forSocket: !wasPaused)

            let lookedAt = MonotonicTime.now()
            answer.beginRound(bytesMax: roundBytesMax)
            let verdict = curl.perform(resuming: wasPaused)
            let bytesRead = answer.bytesReceived
            let isWanted = try delivery.deliver(answer, onHead: onHead, onBytes: onBytes)
            if !isWanted, let response = delivery.response { return response }

            if let verdict { return try finish(verdict, delivery, answer) }

            clock.note(
                FetchClock.Round(
                    lookedAt: lookedAt, isConnected: answer.isConnected, isActive: answer.isActive,
                    bytesRead: bytesRead, bytesSent: curl.bytesSent),
                at: .now())
        }
    }

    /// Blocks until the rate limit lets us read, and then, with `forSocket`, until curl may have
    /// something to do, or 100 ms have passed. Answers how many body bytes to read then.
    private func wait(
        _ clock: inout FetchClock, forSocket: Bool
    ) throws(FetchError) -> Int {
        while true {
            let control = self.control.withLock { $0 }
            if control.isCancelled { throw .cancelled }
            let now = MonotonicTime.now()
            let rate = control.bytesPerSecondMax
            let pause = clock.pause(at: now, bytesPerSecond: rate)
            if control.isHeldBack != (pause > .zero) {
                self.control.withLock { $0.isHeldBack = pause > .zero }
            }
            if let phase = clock.expired(at: now) { throw .timedOut(phase) }

            if pause == .zero {
                if forSocket { curl.poll(milliseconds: 100) }
                return Pace.pieceBytesMax(bytesPerSecond: rate)
            }

            // Not curl's poll: it would return at once, as there is something to read.
            _ = self.control.wait(until: now + min(pause, .milliseconds(100))) { control in
                control.isCancelled || control.bytesPerSecondMax != rate ? true : nil
            }
        }
    }

    private func finish(
        _ verdict: CURLcode, _ delivery: Delivery, _ answer: RecordedAnswer
    ) throws(FetchError) -> FetchResponse {
        if let refusal = answer.refusal { throw .broken("response head: \(refusal)") }
        guard verdict == CURLE_OK else {
            throw FetchError(
                verdict, text: curl.text(for: verdict), isConnected: answer.isConnected)
        }
        guard let response = delivery.response else { throw .broken("no final response") }
        return response
    }

    private func begin(_ request: FetchRequest) throws(FetchError) {
        try control.withLock { control throws(FetchError) in
            invariant(!control.isRunning, "two threads use one HTTPFetcher")
            if control.isCancelled { throw .cancelled }

            control.isRunning = true
            if let rate = request.bytesPerSecondMax { control.bytesPerSecondMax = rate }
        }
    }
}
