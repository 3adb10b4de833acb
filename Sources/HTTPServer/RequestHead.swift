/// The head of a request, parsed and checked: its framing is sound and its escapes are well-formed.
public struct RequestHead: Sendable {
    public let method: HTTPMethod
    /// 16 hexadecimal digits, unique in this process.
    public var requestID: String { requestNumber.hexadecimal }
    /// The client's address without port, such as `127.0.0.1` or `::1`.
    public let remoteAddress: String
    public let remoteIsLoopback: Bool
    /// Whether it came over TLS.
    public let secure: Bool

    private let target: RequestTarget
    private let headers: HeaderTable
    private let framing: RequestFraming
    private let requestNumber: RequestNumber

    init(
        method: HTTPMethod, target: RequestTarget, headers: HeaderTable, framing: RequestFraming,
        client: ClientAddress, secure: Bool, requestNumber: RequestNumber
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.framing = framing
        self.remoteAddress = client.text
        self.remoteIsLoopback = client.isLoopback
        self.secure = secure
        self.requestNumber = requestNumber
    }

    /// The path as sent: undecoded, without the query.
    public var rawPath: [UInt8] { target.rawPath }

    /// What follows the first `?`, as sent; empty without one.
    public var rawQuery: [UInt8] { target.rawQuery }

    /// The path behind its first `/`, split at `/`, then each part decoded once.
    public var segments: [[UInt8]] { target.segments }

    /// The path behind the `/` that ends the first `count` segments, decoded once as a whole, so
    /// that `a/b` and `a%2Fb` are the same.
    ///
    /// Nil when the path ends before that `/`; empty when it ends with it.
    public func path(afterSegments count: Int) -> [UInt8]? { target.rest(afterSegments: count) }

    /// Names and values in order, decoded once; `+` is a space, and a name without `=` has "".
    ///
    /// Bytes that are not UTF-8 are repaired; ``queryBytes(_:)`` has them as they are.
    public var query: [(name: String, value: String)] { target.query }

    /// The first value of `name`, decoded once, as bytes.
    public func queryBytes(_ name: String) -> [UInt8]? { target.queryBytes(name) }

    /// The first field of that name, in any case.
    public func header(_ name: String) -> String? { headers.first(name) }

    /// All fields of that name, in any case, in order.
    public func headers(named name: String) -> [String] { headers.all(name) }

    /// Nil when missing; never more than one.
    public var host: String? { framing.host }

    /// Nil when the body is chunked or there is none.
    public var contentLength: UInt64? { framing.contentLength }

    public var expectsContinue: Bool { framing.expectsContinue }

    /// Whether a body follows. A chunked one may turn out to be empty.
    public var hasBody: Bool { framing.hasBody }
}

/// A request and all of its body.
public struct Request: Sendable {
    public let head: RequestHead
    public let body: [UInt8]
    /// The body, of a request that was let in with ``BodyPolicy/stream``; ``body`` is empty then.
    public let stream: BodyStream?

    init(head: RequestHead, body: [UInt8], stream: BodyStream? = nil) {
        self.head = head
        self.body = body
        self.stream = stream
    }
}
