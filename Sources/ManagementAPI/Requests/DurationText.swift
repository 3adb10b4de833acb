/// Durations as they stand in a query: `500ms`, `30s`, `5m`.
enum DurationText {
    static let rule = "a duration such as 500ms, 30s or 5m"

    /// Nil for anything else.
    static func parse(_ text: String) -> Duration? {
        let digits = text.utf8.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard (1...6).contains(digits.count),
            let number = Int64(String(decoding: digits, as: UTF8.self))
        else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(number)
        case "s": return .seconds(number)
        case "m": return .seconds(number * 60)
        default: return nil
        }
    }
}
