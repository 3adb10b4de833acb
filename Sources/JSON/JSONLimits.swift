/// Checks in one cheap pass what a document would cost, before jansson spends it.
///
/// jansson recurses per level and allocates per value: sixty-four MiB of `[0,0,0…` are 32 million
/// values and gigabytes of memory. Outside strings only the bytes `[ ] { } ,` count here. Up to its
/// first error a document is cut into strings and the rest exactly as jansson does it; what comes
/// behind an error jansson does not read.
struct JSONLimits {
    let depthMax: Int
    let valuesMax: Int

    func check(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
        var depth = 0
        var values = 1
        var isInString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if isInString {
                if byte == UInt8(ascii: "\\") { index += 1 }
                if byte == UInt8(ascii: "\"") { isInString = false }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isInString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                values += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
            case UInt8(ascii: ","):
                values += 1
            default:
                continue
            }
            if depth > depthMax {
                throw refusal("nested more than \(depthMax) levels deep", at: index, in: bytes)
            }
            if values > valuesMax {
                throw refusal("more than \(valuesMax) values", at: index, in: bytes)
            }
        }
    }

    private func refusal(
        _ message: String, at index: Int, in bytes: UnsafeBufferPointer<UInt8>
    ) -> JSONError {
        var line = 1
        var column = 0
        for byte in bytes[..<index] {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 0
            } else if byte & 0xC0 != 0x80 {  // Continuation bytes begin no character.
                column += 1
            }
        }
        return JSONError(reason: .limitExceeded, line: line, column: column, message: message)
    }
}
