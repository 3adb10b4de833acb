/// One range of a file, as `Range` asks for it (RFC 9110).
enum ByteRange: Equatable, Sendable {
    case whole
    case part(offset: UInt64, length: UInt64)
    case unsatisfiable

    /// What cannot be read, and several ranges at once, mean the whole file, as the RFC allows.
    init(_ header: String?, size: UInt64) {
        guard let header, header.hasPrefix("bytes=") else {
            self = .whole
            return
        }
        let ends = header.dropFirst("bytes=".count).split(
            separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy(ByteRange.isNumber) else {
            self = .whole
            return
        }
        switch (UInt64(ends[0]), UInt64(ends[1])) {
        case (let first?, let last?) where first <= last:
            self = ByteRange.from(first, through: last, size: size)
        case (let first?, nil) where ends[1].isEmpty:
            self = ByteRange.from(first, through: .max, size: size)
        case (nil, let count?) where ends[0].isEmpty:
            let length = min(count, size)
            self = length == 0 ? .unsatisfiable : .part(offset: size - length, length: length)
        default:
            self = .whole
        }
    }

    private static func from(_ first: UInt64, through last: UInt64, size: UInt64) -> ByteRange {
        guard first < size else { return .unsatisfiable }
        return .part(offset: first, length: min(last, size - 1) - first + 1)
    }

    private static func isNumber(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
