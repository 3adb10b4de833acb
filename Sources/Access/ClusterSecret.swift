import Crypto
public import Platform

/// The secret that the nodes of a cluster share. It never travels: it signs requests between nodes,
/// and the answers to them, with HMAC-SHA256. No `description`: it must not get into a log.
public struct ClusterSecret: Sendable {
    private let key: SymmetricKey

    public static let bytesMin = 16

    /// The secret in a file or variable; nil when it is shorter than ``bytesMin`` without the white
    /// space around it.
    public init?(text: String) {
        var bytes = Substring(text)
        while let last = bytes.last, last.isWhitespace { bytes.removeLast() }
        while let first = bytes.first, first.isWhitespace { bytes.removeFirst() }
        guard bytes.utf8.count >= ClusterSecret.bytesMin else { return nil }
        key = SymmetricKey(data: Array(bytes.utf8))
    }

    /// How far a request's time may be from ours.
    public static let timeWindow: Duration = .seconds(60)

    /// Of a request: over method, target, body, time and nonce.
    public func signature(
        method: String, target: String, body: [UInt8], time: UnixMilliseconds, nonce: String
    ) -> String {
        sign(["request", method, target, hexOfHash(body), String(time.rawValue), nonce])
    }

    /// Of an answer: over the nonce of its request, the status, and the body; a stream, whose
    /// records carry the chain hash, is signed without its body.
    public func answerSignature(nonce: String, status: Int, body: [UInt8]?) -> String {
        sign(["answer", nonce, String(status), body.map(hexOfHash) ?? "stream"])
    }

    /// Compares in a time that does not depend on where they differ.
    public static func areEqual(_ a: String, _ b: String) -> Bool {
        SHA256.hash(data: Array(a.utf8)) == SHA256.hash(data: Array(b.utf8))
    }

    private func sign(_ parts: [String]) -> String {
        let text = parts.joined(separator: "\n")
        return Hex.encode(Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)))
    }

    private func hexOfHash(_ bytes: [UInt8]) -> String {
        Hex.encode(Array(SHA256.hash(data: bytes)))
    }
}
