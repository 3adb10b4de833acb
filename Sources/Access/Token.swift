import Platform

/// A token as a client sends it: `cvy_<kind>_<lookup id>_<secret><checksum>`.
///
/// The lookup id (12 letters and digits) finds the record, the secret (43 of them, 256 bits) proves
/// the right, and the checksum (6) lets secret scanners, and us, tell a token from a typing error.
/// Only the hash of the secret is ever stored. No `description`: a token must not get into a log.
public struct Token: Sendable {
    /// What a token is for; part of its text.
    public enum Kind: String, Sendable {
        case namespace = "ns"
        case admin = "ad"
    }

    public let kind: Kind
    public let lookupID: String
    private let secret: String

    /// Of the hash that ``hash`` computes.
    public static let algorithm = "sha256"

    static let prefix = "cvy"
    static let lookupLength = 12
    static let secretLength = 43
    static let checksumLength = 6
    static let alphabet = Array(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new token from the system's random numbers.
    public init(kind: Kind) {
        var generator = SystemRandomNumberGenerator()
        self.kind = kind
        lookupID = Token.randomText(Token.lookupLength, &generator)
        secret = Token.randomText(Token.secretLength, &generator)
    }

    /// The secret of one token behind the lookup id of another: a forgery, for tests.
    package init(lookupID: String, secretOf other: Token) {
        kind = other.kind
        self.lookupID = lookupID
        secret = other.secret
    }

    /// Reads what ``text`` writes; nil for anything else.
    public init?(text: String) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, parts[0] == Token.prefix, let kind = Kind(rawValue: parts[1]),
            parts[2].utf8.count == Token.lookupLength,
            parts[3].utf8.count == Token.secretLength + Token.checksumLength,
            (parts[2] + parts[3]).utf8.allSatisfy({ Token.alphabet.contains($0) })
        else { return nil }
        self.kind = kind
        lookupID = parts[2]
        secret = String(parts[3].prefix(Token.secretLength))
        guard self.text == text else { return nil }
    }

    /// The token in full: to be shown once, at its creation.
    public var text: String {
        let body = "\(Token.prefix)_\(kind.rawValue)_\(lookupID)_\(secret)"
        return body + Token.checksum(of: body)
    }

    /// What is stored: SHA-256 of the secret. The secret has 256 random bits, so no salt is needed.
    public var hash: [UInt8] { SHA256.hash(of: Array(secret.utf8)) }

    /// Whether the stored hash is this token's, in a time that does not depend on where they differ.
    public func matches(algorithm: String, hash stored: [UInt8]) -> Bool {
        let isEqual = SHA256.isEqual(hash, stored)
        return isEqual && algorithm == Token.algorithm
    }

    static func randomText(
        _ count: Int, _ generator: inout SystemRandomNumberGenerator
    ) -> String {
        // Each draw asks the system, and ten thousand namespaces are made in one request: ten letters
        // come of one number, all texts being equally likely.
        var bytes: [UInt8] = []
        while bytes.count < count {
            var number = UInt64.random(in: 0..<tenLetters, using: &generator)
            for _ in 0..<min(10, count - bytes.count) {
                bytes.append(alphabet[Int(number % 62)])
                number /= 62
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// 62 to the power of 10.
    private static let tenLetters: UInt64 = 839_299_365_868_340_224

    private static func checksum(of body: String) -> String {
        var number: UInt64 = 0
        for byte in SHA256.hash(of: Array(body.utf8)).prefix(5) {
            number = number << 8 | UInt64(byte)
        }
        let digits = (0..<checksumLength).map { _ in
            let digit = alphabet[Int(number % 62)]
            number /= 62
            return digit
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
