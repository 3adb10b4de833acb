import Platform

/// A hash of some texts in a row, for what must not be found by whoever chooses them: which caller sent
/// which request under which key.
public struct RequestDigest: Hashable, Sendable {
    /// SHA-256, cut to 16 bytes.
    public let bytes: [UInt8]

    public static let bytesCount = 16

    /// Each part counts with its length, so that no two lists of parts are the same text.
    public init(of parts: [[UInt8]]) {
        let pieces = parts.flatMap { [Array("\($0.count):".utf8), $0] }
        bytes = Array(SHA256.hash(of: pieces).prefix(RequestDigest.bytesCount))
    }
}
