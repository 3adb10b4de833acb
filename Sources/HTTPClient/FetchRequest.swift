/// What to ask of whom, and how much time and memory it may cost.
public struct FetchRequest: Sendable {
    public var method: String
    /// `http` or `https`, percent-encoded; the path is sent as it is written, `..` too.
    public var url: String
    public var headers: [(String, String)]
    /// Sent with a Content-Length. Above 1 MiB the server is first asked (`Expect: 100-continue`).
    public var body: [UInt8]?
    public var deadlines: FetchDeadlines
    /// How long a body may be that is collected; what is delivered in chunks is not limited.
    public var answerBytesMax: Int
    /// Sets the fetcher's rate as this fetch begins; nil leaves the fetcher's as it is.
    public var bytesPerSecondMax: UInt64?
    public var trust: TLSTrust

    public init(
        method: String = "GET", url: String, headers: [(String, String)] = [],
        body: [UInt8]? = nil, deadlines: FetchDeadlines = FetchDeadlines(),
        answerBytesMax: Int = 1 << 20, bytesPerSecondMax: UInt64? = nil,
        trust: TLSTrust = .system
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.deadlines = deadlines
        self.answerBytesMax = answerBytesMax
        self.bytesPerSecondMax = bytesPerSecondMax
        self.trust = trust
    }
}

/// How long each phase of a fetch may last.
public struct FetchDeadlines: Sendable {
    /// Until the connection stands, with name lookup and TLS.
    public var connect: Duration
    /// Without a byte in or out, once connected. Time in which a rate limit holds back reading,
    /// and in which the caller digests a chunk, does not count.
    public var idle: Duration
    /// For everything; nil: as long as bytes flow.
    public var total: Duration?

    public init(
        connect: Duration = .seconds(3), idle: Duration = .seconds(3), total: Duration? = nil
    ) {
        self.connect = connect
        self.idle = idle
        self.total = total
    }
}

/// Whose certificates are believed, for `https`.
public enum TLSTrust: Equatable, Sendable {
    /// The authorities of the operating system.
    case system
    /// Only the authorities in this PEM file.
    case authorities(file: String)
    /// Anybody: the connection is encrypted, but to whom is not known.
    case anyone
}

extension FetchRequest {
    /// Refuses what would be cut, or would smuggle lines into the request.
    func validate() throws(FetchError) {
        // Printable ASCII without space; everything else must come percent-encoded.
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalidURL("not percent-encoded")
        }
        guard Self.isToken(method) else { throw .invalidRequest("method") }
        for (name, value) in headers {
            let isClean = value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            guard Self.isToken(name), isClean else { throw .invalidRequest("header \(name)") }
        }
    }

    /// Lets `run` see the body, which stays in its place until `run` returns; nil: no body at all.
    func withBodyBytes<Result>(
        _ run: (UnsafeRawBufferPointer?) throws(FetchError) -> Result
    ) throws(FetchError) -> Result {
        // These methods say `Content-Length: 0` rather than nothing.
        let isExpected = ["POST", "PUT", "PATCH"].contains(method)
        guard let body = body ?? (isExpected ? [] : nil) else { return try run(nil) }

        return try body.withUnsafeBufferPointer { bytes throws(FetchError) in
            try run(UnsafeRawBufferPointer(bytes))
        }
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default:
                    "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
