import Platform
import Synchronization

/// One request's place for its answer.
///
///     handling ──respond──▶ answered ──taken by the HTTP thread──▶ over
///        │                     ▲
///        └──suspend──▶ suspended
///
/// Each state is left at most once, so a connection is resumed exactly once for each suspend.
public final class Exchange: Sendable {
    private let state = Monitor(State.handling)
    private let abandoned = Atomic(false)
    private let head: RequestHead
    private let stopping: @Sendable (RequestHead) -> Response

    private enum State: Sendable {
        case handling
        case suspended(MHDConnection)
        case answered(Response)
        case over
    }

    init(head: RequestHead, stopping: @escaping @Sendable (RequestHead) -> Response) {
        self.head = head
        self.stopping = stopping
    }

    /// Answers the request, from any thread; does not block.
    ///
    /// Only the first answer counts. The listener itself answers first when it stops.
    public func respond(_ response: Response) {
        let (suspended, isFirst): (MHDConnection?, Bool) = state.withLock {
            switch $0 {
            case .handling:
                $0 = .answered(response)
                return (nil, true)
            case .suspended(let connection):
                $0 = .answered(response)
                return (connection, true)
            case .answered, .over:
                return (nil, false)
            }
        }
        if !isFirst { response.discard() }
        suspended?.resume()
    }

    /// Whether the client has left, as far as is known; an answer is still owed, and dropped.
    public var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

    func markAbandoned() { abandoned.store(true, ordering: .relaxed) }

    func respondStopping() { respond(stopping(head)) }

    /// The answer, to be sent by the caller; nil when there is none yet, or it was taken.
    func takeAnswer() -> Response? {
        state.withLock {
            guard case .answered(let response) = $0 else { return nil }
            $0 = .over
            return response
        }
    }

    /// Suspends `connection` unless the answer is there.
    ///
    /// Under the lock: an answer that came between the look and the suspend would resume a
    /// connection that is not suspended yet, and then be lost.
    func takeAnswer(orSuspend connection: MHDConnection) -> Response? {
        state.withLock {
            switch $0 {
            case .handling:
                connection.suspend()
                $0 = .suspended(connection)
                return nil
            case .answered(let response):
                $0 = .over
                return response
            case .suspended, .over:
                return nil
            }
        }
    }

    /// The request is over; what was answered but not taken is dropped.
    func finish() {
        let unsent: Response? = state.withLock { state in
            defer { state = .over }
            guard case .answered(let response) = state else { return nil }
            return response
        }
        markAbandoned()
        unsent?.discard()
    }
}
