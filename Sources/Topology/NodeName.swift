/// A node's stable name: 1 to 64 of `[a-z0-9._-]`, beginning with a letter or digit.
///
/// `self` is no node's name: `/v1/nodes/self` means the node that is asked.
public struct NodeName: RawRepresentable, Comparable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init?(rawValue: String) {
        let bytes = rawValue.utf8
        guard let first = bytes.first, bytes.count <= NodeName.bytesMax, rawValue != "self",
            NodeName.isLetterOrDigit(first),
            bytes.allSatisfy({
                NodeName.isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
                    || $0 == UInt8(ascii: "-")
            })
        else { return nil }
        self.rawValue = rawValue
    }

    public init?(_ text: String) { self.init(rawValue: text) }

    public static let bytesMax = 64

    public static func < (a: NodeName, b: NodeName) -> Bool { a.rawValue < b.rawValue }

    public var description: String { rawValue }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
