import CJansson
import Glibc

extension JSONValue {
    /// The document as UTF-8, members in their order, with no newline at the end.
    ///
    /// Recurses per level: meant for documents that this process has built or has parsed.
    ///
    /// With `pretty`: two spaces per level and a line per value, instead of no white space.
    public func serialized(pretty: Bool = false) -> [UInt8] {
        var builder = JanssonBuilder()
        let root = builder.build(self)
        defer { json_decref(root) }

        let layout = pretty ? 2 : JSON_COMPACT  // 2: the value of `JSON_INDENT(2)`.
        let precision = builder.digitsMax << 11  // The value of `JSON_REAL_PRECISION(digitsMax)`.
        guard let text = json_dumps(root, Int(layout | JSON_ENCODE_ANY) | precision) else {
            fatalError("jansson cannot serialise: out of memory")
        }
        defer { free(text) }

        // No NUL inside: in strings it is written as \u0000.
        return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}

/// Makes jansson values. Each `build` answers a reference that the caller owns; the setters of
/// jansson whose names end in `_new` take it over.
private struct JanssonBuilder {
    /// Significant digits with which every number of the document reads back as the same double.
    ///
    /// jansson has one precision per document. Its default, 17, writes 0.1 as 0.10000000000000001;
    /// 15 suffice for what people and round measurements produce.
    var digitsMax = 15

    mutating func build(_ value: JSONValue) -> UnsafeMutablePointer<json_t> {
        let json =
            switch value {
            case .null: json_null()
            case .bool(let flag): flag ? json_true() : json_false()
            case .integer(let integer): json_integer(json_int_t(integer))
            case .number(let number): build(number)
            case .string(let string): withUTF8(of: string) { json_stringn_nocheck($0, $1) }
            case .array(let elements): build(elements)
            case .object(let object): build(object)
            }
        guard let json else { fatalError("jansson cannot make a value: out of memory") }
        return json
    }

    private mutating func build(_ number: Double) -> UnsafeMutablePointer<json_t>? {
        guard number.isFinite else { return json_null() }

        let mantissa = number.description.utf8.prefix { $0 != UInt8(ascii: "e") }
        let digits = mantissa.count { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        digitsMax = min(17, max(digitsMax, digits))
        return json_real(number)
    }

    private mutating func build(_ elements: [JSONValue]) -> UnsafeMutablePointer<json_t>? {
        let array = json_array()
        for element in elements {
            guard json_array_append_new(array, build(element)) == 0 else { return nil }
        }
        return array
    }

    private mutating func build(_ object: JSONObject) -> UnsafeMutablePointer<json_t>? {
        let json = json_object()
        for (name, value) in object.members {
            let value = build(value)
            let code = withUTF8(of: name) { json_object_setn_new_nocheck(json, $0, $1, value) }
            guard code == 0 else { return nil }
        }
        return json
    }

    private func withUTF8<Result>(
        of string: String, _ body: (UnsafePointer<CChar>?, Int) -> Result
    ) -> Result {
        var string = string  // `withUTF8` may make it contiguous; a native one is not copied.
        return string.withUTF8 { bytes in
            // jansson takes a null pointer for an error, and an empty buffer may be one.
            guard let start = bytes.baseAddress else { return body("", 0) }
            return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                body($0, bytes.count)
            }
        }
    }
}
