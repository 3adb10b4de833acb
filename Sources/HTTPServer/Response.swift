/// An answer. Content-Length, Transfer-Encoding and Date are added by the server.
public struct Response: Sendable {
    public var status: Int
    /// In this order. CR, LF and NUL in a value become spaces.
    public var headers: [(name: String, value: String)]
    /// For HEAD and for 304 give the body of the GET: only its length is sent.
    public var body: ResponseBody
    /// Whose data it carries, when nothing was done but reading: where too much of that waits for clients that
    /// do not read, `busy` is sent instead. Nil: it is always sent.
    public var owner: String?

    public init(
        status: Int, headers: [(name: String, value: String)] = [], body: ResponseBody = .none,
        owner: String? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.owner = owner
    }

    /// Whether HTTP forbids a body and a length for this status.
    var isBodiless: Bool { status == 204 || status < 200 }

    /// Ends the stream of an answer that will not be sent.
    func discard() {
        if case .stream(let stream) = body { stream.closed() }
    }
}

public enum ResponseBody: Sendable {
    case none
    case bytes([UInt8])
    /// `length` bytes from `offset` on. Opened when the answer is sent; by `sendfile` without TLS.
    case file(path: String, offset: UInt64, length: UInt64)
    /// As long as the stream goes on, chunked.
    case stream(any ResponseStream)
}
