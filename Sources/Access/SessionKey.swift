import Platform

/// The secret of a browser's session: 256 random bits in a cookie. Only its hash is kept. No
/// `description`: it must not get into a log.
public struct SessionKey: Sendable {
    /// To be sent once, as the cookie's value.
    public let text: String

    private static let length = 43

    /// A new one from the system's random numbers.
    public init() {
        var generator = SystemRandomNumberGenerator()
        text = Token.randomText(SessionKey.length, &generator)
    }

    /// Reads a cookie's value; nil for anything that ``text`` cannot be.
    public init?(text: String) {
        guard text.utf8.count == SessionKey.length,
            text.utf8.allSatisfy({ Token.alphabet.contains($0) })
        else { return nil }
        self.text = text
    }

    /// By which the session is found.
    public var hash: [UInt8] { SHA256.hash(of: Array(text.utf8)) }
}
