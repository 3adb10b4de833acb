/// What a listener asks of the layers above. Everything runs on an HTTP thread and must not block.
public struct RequestHandler: Sendable {
    /// Decides from the head, before the body.
    public var admit: @Sendable (RequestHead) -> BodyPolicy
    /// Answers through the exchange, at once or later, from any thread.
    public var handle: @Sendable (Request, Exchange) -> Void
    /// The answers that the listener gives on its own.
    public var refusals: Refusals

    public init(
        admit: @escaping @Sendable (RequestHead) -> BodyPolicy,
        handle: @escaping @Sendable (Request, Exchange) -> Void,
        refusals: Refusals
    ) {
        self.admit = admit
        self.handle = handle
        self.refusals = refusals
    }

    /// Builds the answers to what no handler may see. None of them may be a stream or a file.
    public struct Refusals: Sendable {
        /// 400: not a request that we read. There is no head to show.
        public var malformed: @Sendable (_ detail: String, _ requestID: String) -> Response
        /// 413: the body is larger than its policy's limit.
        public var tooLarge: @Sendable (_ head: RequestHead, _ bytesMax: Int) -> Response
        /// 503: too many bytes of bodies in flight.
        public var busy: @Sendable (_ head: RequestHead) -> Response
        /// 503: the listener stops before the handler has answered.
        public var stopping: @Sendable (_ head: RequestHead) -> Response
        /// 500: the file of an answer cannot be opened, or is shorter than it should be.
        public var unreadable: @Sendable (_ head: RequestHead) -> Response

        public init(
            malformed: @escaping @Sendable (_ detail: String, _ requestID: String) -> Response,
            tooLarge: @escaping @Sendable (_ head: RequestHead, _ bytesMax: Int) -> Response,
            busy: @escaping @Sendable (_ head: RequestHead) -> Response,
            stopping: @escaping @Sendable (_ head: RequestHead) -> Response,
            unreadable: @escaping @Sendable (_ head: RequestHead) -> Response
        ) {
            self.malformed = malformed
            self.tooLarge = tooLarge
            self.busy = busy
            self.stopping = stopping
            self.unreadable = unreadable
        }
    }
}

/// What to do with a request's body.
public enum BodyPolicy: Sendable {
    /// Read it all, then handle the request; above the limit it is refused as too large.
    case collect(bytesMax: Int)
    /// Handle the request at once, and hand over the body as it comes: ``Request/stream``.
    case stream
    /// Do not handle the request. With `Expect: 100-continue` or more than 1 MiB to come, this is
    /// answered at once and the connection closes; otherwise after the body, and it stays.
    case reject(Response)
}
