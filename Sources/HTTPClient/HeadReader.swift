/// Reads response heads line by line, as curl hands them over, until the final one is complete.
///
/// Pure. What follows the final head (trailers) is ignored.
struct HeadReader {
    /// Of all heads of one response together.
    static let bytesMax = 64 << 10

    private(set) var final: ResponseHead?
    private var status: Int?
    private var headers: [(name: String, value: String)] = []
    private var bytes = 0

    enum Refusal: Error {
        case tooLarge
        case notHTTP
    }

    mutating func read(line: UnsafeRawBufferPointer) throws(Refusal) {
        guard final == nil else { return }
        bytes += line.count
        guard bytes <= Self.bytesMax else { throw .tooLarge }

        let text = String(decoding: line, as: UTF8.self).trimmingLineEnd()
        guard let status else {
            self.status = try Self.status(in: text)
            return
        }
        if text.isEmpty {
            complete(status)
        } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            let value = text[text.index(after: colon)...]
            headers.append((String(text[..<colon]), value.trimmingBlanks()))
        }
    }

    private mutating func complete(_ status: Int) {
        if status >= 200 { final = ResponseHead(status: status, headers: headers) }
        self.status = nil
        headers = []
    }

    /// From a status line such as `HTTP/1.1 200 OK`.
    private static func status(in line: String) throws(Refusal) -> Int {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/"), parts[1].utf8.count == 3,
            let status = Int(parts[1]), (100...999).contains(status)
        else { throw .notHTTP }
        return status
    }
}

extension String {
    fileprivate func trimmingLineEnd() -> String {
        var scalars = Substring(self).unicodeScalars
        while let last = scalars.last, last == "\r" || last == "\n" { scalars.removeLast() }
        return String(scalars)
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> String {
        var scalars = unicodeScalars
        while let first = scalars.first, first == " " || first == "\t" { scalars.removeFirst() }
        while let last = scalars.last, last == " " || last == "\t" { scalars.removeLast() }
        return String(scalars)
    }
}
