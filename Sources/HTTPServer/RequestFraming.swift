/// What the header says about where the request ends and who it is for.
///
/// libmicrohttpd is lenient; what two parsers could read in two ways is refused here.
struct RequestFraming: Equatable, Sendable {
    private(set) var host: String?
    private(set) var contentLength: UInt64?
    private(set) var isChunked = false
    private(set) var expectsContinue = false

    var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

    init(_ headers: HeaderTable) throws(MalformedRequest) {
        for index in 0..<headers.count {
            let name = headers.name(at: index)
            guard !name.isEmpty, name.allSatisfy(\.isTokenByte) else {
                throw .framing("A header field has a name that is not a token.")
            }
            switch name.count {  // Most names are ruled out by their length alone.
            case 4 where name.equalsIgnoringCase("Host"):
                guard host == nil else { throw .framing("There is more than one Host.") }
                host = String(decoding: headers.value(at: index), as: UTF8.self)
            case 6 where name.equalsIgnoringCase("Expect"):
                expectsContinue = headers.value(at: index).equalsIgnoringCase("100-continue")
            case 14 where name.equalsIgnoringCase("Content-Length"):
                guard contentLength == nil else {
                    throw .framing("There is more than one Content-Length.")
                }
                contentLength = try Self.length(headers.value(at: index))
            case 17 where name.equalsIgnoringCase("Transfer-Encoding"):
                guard !isChunked, headers.value(at: index).equalsIgnoringCase("chunked") else {
                    throw .framing("The only Transfer-Encoding served is one 'chunked'.")
                }
                isChunked = true
            default: break
            }
        }
        guard !isChunked || contentLength == nil else {
            throw .framing("There are both Content-Length and Transfer-Encoding.")
        }
    }

    private static func length(_ digits: ArraySlice<UInt8>) throws(MalformedRequest) -> UInt64 {
        let areDigits = digits.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard !digits.isEmpty, areDigits,
            let length = UInt64(String(decoding: digits, as: UTF8.self))
        else { throw .framing("Content-Length is not a number of bytes.") }

        return length
    }
}

extension UInt8 {
    /// Whether it may stand in a field name (RFC 9110, `tchar`).
    fileprivate var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
            UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
