/// What a program that was built with `--sanitize=thread` says on its standard error.
public enum ThreadSanitizer {
    private static let opening = "WARNING: ThreadSanitizer"
    private static let line = "=================="

    /// Each report whole, from its first line to the one that closes it.
    public static func reports(in text: String) -> [String] {
        var reports: [String] = []
        var isOpen = false
        for row in text.split(separator: "\n") {
            if row.hasPrefix(opening) {
                reports.append(String(row))
                isOpen = true
            } else if isOpen, row == line {
                isOpen = false
            } else if isOpen {
                reports[reports.count - 1] += "\n\(row)"
            }
        }
        return reports
    }
}
