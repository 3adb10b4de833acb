import Platform

/// The secrets that a node knows at this moment: the first signs, all of them are accepted. So a
/// secret is replaced without a gap: add the new one behind the old one at every node, then put it
/// first at every node, then take the old one away.
public final class ClusterSecrets: Sendable {
    private let secrets: Monitor<[ClusterSecret]>

    public static let countMax = 2
    public static let rule =
        "one or two lines of at least \(ClusterSecret.bytesMin) characters each"

    /// - Parameter text: One secret a line. Nil when it breaks the ``rule``.
    public init?(text: String) {
        guard let read = ClusterSecrets.read(text) else { return nil }
        secrets = Monitor(read)
    }

    /// Takes others from now on; false, with nothing changed, when `text` breaks the ``rule``.
    public func replace(by text: String) -> Bool {
        guard let read = ClusterSecrets.read(text) else { return false }
        secrets.withLock { $0 = read }
        return true
    }

    /// The one that signs.
    public var current: ClusterSecret { secrets.withLock { $0[0] } }

    /// Which of them a request was signed with; nil when with none.
    public func signer(
        of request: ClusterSecret.SignedRequest, signature: String
    ) -> ClusterSecret? {
        secrets.withLock { $0 }.first { $0.isSignature(signature, of: request) }
    }

    /// Whether an answer was signed with one of them.
    public func isSignature(_ text: String, of answer: ClusterSecret.SignedAnswer) -> Bool {
        secrets.withLock { $0 }.contains { $0.isSignature(text, of: answer) }
    }

    private static func read(_ text: String) -> [ClusterSecret]? {
        let lines = text.split(whereSeparator: \.isNewline).filter {
            !$0.allSatisfy(\.isWhitespace)
        }
        let secrets = lines.compactMap { ClusterSecret(text: String($0)) }
        guard secrets.count == lines.count, (1...countMax).contains(secrets.count) else {
            return nil
        }
        return secrets
    }
}
