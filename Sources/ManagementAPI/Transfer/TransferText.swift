import JSON

/// Bytes as members of JSON objects: as text where they are UTF-8 and that is no longer than Base64 of
/// them, which text full of control characters is.
enum TransferText {
    /// Sets `name`, or `name` with `_base64` behind it.
    static func put(_ bytes: [UInt8], into object: inout JSONObject, _ name: String) {
        if escapedBytes(bytes) <= (bytes.count + 2) / 3 * 4 + 64,
            let text = String(validating: bytes, as: UTF8.self)
        {
            object[name] = .string(text)
        } else {
            object[name + "_base64"] = .string(Base64.encode(bytes))
        }
    }

    /// How long the text is in JSON, at most.
    private static func escapedBytes(_ bytes: [UInt8]) -> Int {
        bytes.reduce(bytes.count) { count, byte in
            switch byte {
            case 0..<0x20: count + 5
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): count + 1
            default: count
            }
        }
    }
}
