/// The target of a request line, as sent, and what it says once decoded.
///
/// Only the origin form (`/path?query`) is accepted, and `*` for OPTIONS.
struct RequestTarget: Sendable {
    let rawPath: [UInt8]
    let rawQuery: [UInt8]
    let segments: [[UInt8]]
    let query: [(name: String, value: String)]

    private static let slash = UInt8(ascii: "/")

    init(_ raw: [UInt8], method: HTTPMethod) throws(MalformedRequest) {
        let end = raw.firstIndex(of: UInt8(ascii: "?")) ?? raw.endIndex
        let path = raw[..<end]
        let query = raw[end...].dropFirst()
        let isAsterisk = path.elementsEqual([UInt8(ascii: "*")]) && method == .options
        guard path.first == Self.slash || isAsterisk else {
            throw .framing("The request target must begin with '/'.")
        }
        guard PercentCoding.isWellFormed(path) else {
            throw .content("The path has a '%' that two hexadecimal digits do not follow.")
        }
        guard PercentCoding.isWellFormed(query) else {
            throw .content("The query has a '%' that two hexadecimal digits do not follow.")
        }
        self.rawPath = Array(path)
        self.rawQuery = Array(query)
        self.segments =
            isAsterisk
            ? []
            : path.dropFirst().split(separator: Self.slash, omittingEmptySubsequences: false)
                .map { PercentCoding.decode($0) }
        self.query = Self.pairs(query).map { name, value in
            (
                String(decoding: PercentCoding.decode(name, plusIsSpace: true), as: UTF8.self),
                String(decoding: PercentCoding.decode(value, plusIsSpace: true), as: UTF8.self)
            )
        }
    }

    /// The path behind the `/` that ends the first `count` segments, decoded once.
    ///
    /// Nil when the path ends before that `/`.
    func rest(afterSegments count: Int) -> [UInt8]? {
        var slashesLeft = count + 1
        for index in rawPath.indices where rawPath[index] == Self.slash {
            slashesLeft -= 1
            if slashesLeft == 0 { return PercentCoding.decode(rawPath[(index + 1)...]) }
        }
        return nil
    }

    /// The first value of `name` as bytes, for values that need not be UTF-8.
    func queryBytes(_ name: String) -> [UInt8]? {
        for (rawName, rawValue) in Self.pairs(rawQuery[...])
        where PercentCoding.decode(rawName, plusIsSpace: true).elementsEqual(name.utf8) {
            return PercentCoding.decode(rawValue, plusIsSpace: true)
        }
        return nil
    }

    /// Splits at `&` and then at the first `=`: `wait=applied>=5` is `wait` and `applied>=5`.
    private static func pairs(
        _ query: ArraySlice<UInt8>
    ) -> [(ArraySlice<UInt8>, ArraySlice<UInt8>)] {
        query.split(separator: UInt8(ascii: "&")).map { pair in
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return (pair, []) }

            return (pair[..<equals], pair[(equals + 1)...])
        }
    }
}
