/// Who asks for a change, from where, and why.
public struct ChangeAuthor: Equatable, Sendable {
    /// `token:` and the token's id, `anonymous`, `node:` and its name, or `system`.
    public var who: String
    /// The address that the request came from.
    public var address: String?
    public var reason: String?

    /// What a node does by itself.
    public static let system = ChangeAuthor(who: "system")

    public init(who: String, address: String? = nil, reason: String? = nil) {
        self.who = who
        self.address = address
        self.reason = reason
    }

    private static let joint = " from "

    /// As documents and operations name whoever made them: `token:4fQ0ZrT1bY7k from 10.0.0.1`.
    public var text: String { address.map { who + ChangeAuthor.joint + $0 } ?? who }

    /// Reads what ``text`` writes.
    public init(text: String, reason: String? = nil) {
        guard let joint = text.firstRange(of: ChangeAuthor.joint) else {
            self.init(who: text, reason: reason)
            return
        }
        self.init(
            who: String(text[..<joint.lowerBound]), address: String(text[joint.upperBound...]),
            reason: reason)
    }
}
