import CJansson

extension JSONValue {
    /// Reads one JSON document, of any type, with nothing but white space around it.
    ///
    /// Member names may not contain U+0000 (jansson refuses it); string values may.
    ///
    /// - Parameters:
    ///   - bytes: The document as UTF-8.
    ///   - depthMax: How deep arrays and objects may nest, at most 1,000.
    ///   - valuesMax: How many values there may be in all.
    /// - Throws: ``JSONError``, with the place of the first thing that is wrong.
    public init(
        parsing bytes: [UInt8], depthMax: Int = 32, valuesMax: Int = 1_000_000
    ) throws(JSONError) {
        guard depthMax <= 1_000 else { fatalError("depthMax \(depthMax) would risk the stack") }

        self = try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
            try JSONLimits(depthMax: depthMax, valuesMax: valuesMax).check(buffer)
            return try JSONValue(accepted: buffer)
        }
    }

    private init(accepted bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
        guard let start = bytes.baseAddress, bytes.count > 0 else {
            throw JSONError(reason: .malformed, line: 1, column: 0, message: "empty document")
        }
        let flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY
        var error = json_error_t()
        let root = start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
            json_loadb($0, bytes.count, Int(flags), &error)
        }
        guard let root else { throw JSONError(error) }
        defer { json_decref(root) }

        self.init(borrowing: root)
    }

    /// Copies; `json` stays its owner's.
    fileprivate init(borrowing json: UnsafeMutablePointer<json_t>) {
        switch json.pointee.type {
        case JSON_OBJECT:
            self = .object(JSONObject(borrowing: json))
        case JSON_ARRAY:
            self = .array(
                (0..<json_array_size(json)).map { index in
                    guard let element = json_array_get(json, index) else {
                        fatalError("a jansson array is shorter than its size")
                    }
                    return JSONValue(borrowing: element)
                })
        case JSON_STRING:
            self = .string(String(jansson: json_string_value(json), json_string_length(json)))
        case JSON_INTEGER: self = .integer(json_integer_value(json))
        case JSON_REAL: self = .number(json_real_value(json))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        case JSON_NULL: self = .null
        default: fatalError("jansson has no type \(json.pointee.type.rawValue)")
        }
    }
}

extension JSONObject {
    fileprivate init(borrowing json: UnsafeMutablePointer<json_t>) {
        var members: [Member] = []
        members.reserveCapacity(json_object_size(json))
        var place = json_object_iter(json)
        while let current = place {
            guard let value = json_object_iter_value(current) else {
                fatalError("a jansson member has no value")
            }
            let name = String(
                jansson: json_object_iter_key(current), json_object_iter_key_len(current))
            members.append((name, JSONValue(borrowing: value)))
            place = json_object_iter_next(json, current)
        }
        self.init(distinct: members)
    }
}

extension String {
    /// Copies UTF-8 that jansson has validated.
    fileprivate init(jansson start: UnsafePointer<CChar>?, _ count: Int) {
        let bytes = UnsafeRawBufferPointer(start: start, count: count)
        self = String(decoding: bytes, as: UTF8.self)
    }
}

extension JSONError {
    fileprivate init(_ error: json_error_t) {
        // The last byte of `text` is the code; the rest a C string.
        var text = withUnsafeBytes(of: error.text) { Array($0) }
        let code = text.removeLast()
        let message = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)

        let reason: Reason =
            switch UInt32(code) {
            case json_error_duplicate_key.rawValue: .duplicateName
            case json_error_numeric_overflow.rawValue: .numberOutOfRange
            default: .malformed
            }
        self.init(
            reason: reason, line: max(1, Int(error.line)), column: max(0, Int(error.column)),
            message: Self.withoutQuote(message))
    }

    /// jansson ends its messages with ` near '…'` and up to twenty bytes of the document.
    private static func withoutQuote(_ message: String) -> String {
        let marker = Array(" near '".utf8)
        let bytes = Array(message.utf8)
        let cut = bytes.indices.first { bytes[$0...].starts(with: marker) }
        return String(decoding: bytes[..<(cut ?? bytes.endIndex)], as: UTF8.self)
    }
}
