/// The body of an answer that is made while it is sent.
public protocol ResponseStream: Sendable, AnyObject {
    /// The next bytes, at most `max` of them. Called on an HTTP thread; must not block.
    func read(max: Int) -> StreamChunk

    /// Called once, before the first ``read(max:)``.
    func opened(_ connection: StreamHandle)

    /// The answer is over, from either side. Called exactly once for each stream that was handed
    /// over in a response, also when it was never opened. No ``read(max:)`` follows.
    func closed()
}

public enum StreamChunk: Sendable {
    case bytes([UInt8])
    /// Nothing yet: read again after ``StreamHandle/wake()``.
    case wait
    /// The body is complete.
    case end
    /// The body is broken off: the client sees that it is incomplete.
    case abort
}
