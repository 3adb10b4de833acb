/// Why there is no answer. One case for each thing a caller can do about it.
///
/// After `timedOut`, `cancelled`, `answerTooLarge` and `broken` the server may have acted on the
/// request.
public enum FetchError: Error, Equatable, Sendable {
    /// Never asked: not an `http` or `https` URL. Correct the address.
    case invalidURL(String)
    /// Never asked: a method or header that HTTP cannot carry. A mistake of the program.
    case invalidRequest(String)
    /// No such host, or nobody listens there. Retry later.
    case connectFailed(String)
    /// The deadline of this phase passed.
    case timedOut(Phase)
    /// ``HTTPFetcher/cancel()`` was called.
    case cancelled
    /// The body is longer than ``FetchRequest/answerBytesMax``.
    case answerTooLarge(limitBytes: Int)
    /// The peer is not who it should be, or speaks no TLS. Never retry without it.
    case tls(String)
    /// The connection was reset, the body was short, or it was not HTTP. Retry if idempotent.
    case broken(String)

    public enum Phase: Equatable, Sendable {
        case connect, idle, total
    }
}
