public import Platform

/// The secret that the nodes of a cluster share. It never travels: it signs requests between nodes,
/// and the answers to them, with HMAC-SHA256. No `description`: it must not get into a log.
public struct ClusterSecret: Sendable {
    private let key: [UInt8]

    public static let bytesMin = 16

    /// One line of a file, or a variable; nil when it is shorter than ``bytesMin`` without the white
    /// space around it.
    public init?(text: String) {
        var bytes = Substring(text)
        while let last = bytes.last, last.isWhitespace { bytes.removeLast() }
        while let first = bytes.first, first.isWhitespace { bytes.removeFirst() }
        guard bytes.utf8.count >= ClusterSecret.bytesMin else { return nil }
        key = Array(bytes.utf8)
    }

    /// How far a request's time may be from ours.
    public static let timeWindow: Duration = .seconds(60)

    /// What is signed of a request.
    public struct SignedRequest: Sendable {
        public var method: String
        /// Path and query.
        public var target: String
        /// Who asks, and what it believes.
        public var identity: String
        public var body: [UInt8]
        public var time: UnixMilliseconds
        public var nonce: String

        public init(
            method: String, target: String, identity: String, body: [UInt8],
            time: UnixMilliseconds, nonce: String
        ) {
            self.method = method
            self.target = target
            self.identity = identity
            self.body = body
            self.time = time
            self.nonce = nonce
        }
    }

    /// What is signed of an answer.
    public struct SignedAnswer: Sendable {
        /// Of its request.
        public var nonce: String
        public var status: Int
        /// Who answers, and what it believes.
        public var identity: String
        /// Nil of a stream, whose records carry the chain hash, and of a file, whose hash is in the
        /// manifest.
        public var body: [UInt8]?

        public init(nonce: String, status: Int, identity: String, body: [UInt8]?) {
            self.nonce = nonce
            self.status = status
            self.identity = identity
            self.body = body
        }
    }

    public func signature(of request: SignedRequest) -> String {
        Hex.encode(code(of: request.lines))
    }

    public func signature(of answer: SignedAnswer) -> String {
        Hex.encode(code(of: answer.lines))
    }

    /// Compares in a time that does not depend on where they differ.
    public func isSignature(_ text: String, of request: SignedRequest) -> Bool {
        isCode(text, of: request.lines)
    }

    /// Compares in a time that does not depend on where they differ.
    public func isSignature(_ text: String, of answer: SignedAnswer) -> Bool {
        isCode(text, of: answer.lines)
    }

    private func code(of lines: [String]) -> [UInt8] {
        SHA256.code(of: Array(lines.joined(separator: "\n").utf8), key: key)
    }

    private func isCode(_ text: String, of lines: [String]) -> Bool {
        guard let code = Hex.decode(text) else { return false }
        return SHA256.isEqual(code, self.code(of: lines))
    }

    fileprivate static func hexOfHash(_ bytes: [UInt8]) -> String {
        Hex.encode(SHA256.hash(of: bytes))
    }
}

extension ClusterSecret.SignedRequest {
    fileprivate var lines: [String] {
        [
            "request", method, target, identity, ClusterSecret.hexOfHash(body),
            String(time.rawValue), nonce,
        ]
    }
}

extension ClusterSecret.SignedAnswer {
    fileprivate var lines: [String] {
        [
            "answer", nonce, String(status), identity,
            body.map(ClusterSecret.hexOfHash) ?? "stream",
        ]
    }
}
