/// The name of a namespace: 1 to 64 of `[a-z0-9._-]`, beginning with a letter or digit.
public struct NamespaceName: RawRepresentable, Comparable, Hashable, Sendable,
    CustomStringConvertible
{
    public let rawValue: String

    public static let lengthMax = 64
    public static let rule =
        "a namespace name has 1 to 64 characters of a-z, 0-9, '.', '_' and '-', begins with a letter or digit, and is not 'batch'"

    public init?(rawValue: String) {
        let bytes = Array(rawValue.utf8)
        guard let first = bytes.first, bytes.count <= NamespaceName.lengthMax,
            NamespaceName.isLetterOrDigit(first),
            bytes.allSatisfy({
                NamespaceName.isLetterOrDigit($0) || $0 == UInt8(ascii: ".")
                    || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
            }),
            rawValue != "batch"  // The path /v1/namespaces/batch is taken.
        else { return nil }
        self.rawValue = rawValue
    }

    private init(trusted: String) { rawValue = trusted }

    /// Always exists.
    public static let `default` = NamespaceName(trusted: "default")

    /// By their bytes, which is how texts of ASCII compare.
    public static func < (a: NamespaceName, b: NamespaceName) -> Bool { a.rawValue < b.rawValue }

    /// Any text as a place in the order of names; no name unless it follows the rule.
    init(place text: String) { rawValue = text }

    public var description: String { rawValue }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
