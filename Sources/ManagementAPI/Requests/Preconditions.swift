/// Entity tags as they stand in `If-Match` and `If-None-Match` (RFC 9110).
enum TagCondition: Equatable, Sendable {
    /// `*`
    case any
    case tags([Tag])

    struct Tag: Equatable, Sendable {
        var isWeak: Bool
        /// With its quotes.
        var text: String
    }

    static let ifMatch = "If-Match"

    /// Nil when none of `fields` is there, and when the header cannot be read, a problem.
    static func read(_ fields: [String], header: String) throws(Problem) -> TagCondition? {
        guard !fields.isEmpty else { return nil }
        let text = fields.joined(separator: ",")
        if trimmed(text[...]) == "*" { return .any }
        guard let tags = tags(Array(text.utf8)), !tags.isEmpty else {
            let detail = "\(header) must be * or ETags in double quotes, with commas between."
            // A condition that cannot be read cannot be found to hold.
            throw header == ifMatch ? .preconditionFailed(detail) : .invalidArgument(detail)
        }
        return .tags(tags)
    }

    /// Strong comparison: for changes. A weak tag never matches.
    func matchesStrongly(_ etag: String) -> Bool {
        switch self {
        case .any: true
        case .tags(let tags): tags.contains { !$0.isWeak && $0.text == etag }
        }
    }

    /// Weak comparison: for reads.
    func matchesWeakly(_ etag: String) -> Bool {
        switch self {
        case .any: true
        case .tags(let tags): tags.contains { $0.text == etag }
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        return text
    }

    /// Tags may have commas inside their quotes.
    private static func tags(_ bytes: [UInt8]) -> [Tag]? {
        let quote = UInt8(ascii: "\"")
        var tags: [Tag] = []
        var at = 0
        func skipSpace() {
            while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
        }
        while true {
            skipSpace()
            guard at < bytes.count else { return tags }
            if bytes[at] == UInt8(ascii: ",") {
                at += 1
                continue
            }
            let isWeak = bytes[at...].starts(with: Array("W/".utf8))
            if isWeak { at += 2 }
            guard at < bytes.count, bytes[at] == quote,
                let end = bytes[(at + 1)...].firstIndex(of: quote),
                bytes[(at + 1)..<end].allSatisfy({ $0 == 0x21 || $0 >= 0x23 && $0 != 0x7F })
            else { return nil }
            tags.append(Tag(isWeak: isWeak, text: String(decoding: bytes[at...end], as: UTF8.self)))
            at = end + 1
            skipSpace()
            guard at == bytes.count || bytes[at] == UInt8(ascii: ",") else { return nil }
        }
    }
}
