import JSON
import Testing

@Suite struct JSONSerializationTests {
    private func text(_ value: JSONValue, pretty: Bool = false) -> String {
        String(decoding: value.serialized(pretty: pretty), as: UTF8.self)
    }

    @Test func `members are written in their order without white space`() {
        let value: JSONValue = ["z": 1, "a": [true, .null, "x"], "m": [:], "e": []]
        #expect(text(value) == #"{"z":1,"a":[true,null,"x"],"m":{},"e":[]}"#)
    }

    @Test func `pretty is two spaces per level`() {
        #expect(text(["a": [1]], pretty: true) == "{\n  \"a\": [\n    1\n  ]\n}")
    }

    @Test func `strings are escaped, NUL and control characters too`() {
        #expect(text("\u{0}\"\\\n\u{1}é/") == #""\u0000\"\\\n\u0001é/""#)
        #expect(text(["a\u{0}b": ""]) == #"{"a\u0000b":""}"#)
    }

    @Test func `numbers are as short as they can be and exact`() throws {
        #expect(text(0.1) == "0.1")
        #expect(text(2.0) == "2.0")
        let numbers: [Double] = [
            1.0 / 3, .pi, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0, 0.1 + 0.2, 1e21,
        ]
        for number in numbers {
            let value = JSONValue.number(number)
            #expect(try JSONValue(parsing: value.serialized()) == value)
        }
        #expect(text(.integer(.min)) == "-9223372036854775808")
    }

    @Test func `what JSON has no number for becomes null`() {
        #expect(
            text([.number(.nan), .number(.infinity), .number(-.infinity)]) == "[null,null,null]")
    }

    @Test func `nil becomes null by orNull`() {
        let nothing: UInt64? = nil
        #expect(JSONValue.orNull(nothing) == .null)
        #expect(JSONValue.orNull(UInt64(7)) == 7)
        #expect(JSONValue.orNull(String?.none) == .null)
        #expect(JSONValue.orNull("x") == "x")
    }

    @Test(arguments: UInt64(0)..<50)
    func `every value survives being written and read`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let value = randomValue(depth: 5, using: &random)
        #expect(try JSONValue(parsing: value.serialized()) == value)
        #expect(try JSONValue(parsing: value.serialized(pretty: true)) == value)
    }

    private func randomValue(depth: Int, using random: inout SplitMix64) -> JSONValue {
        switch Int.random(in: 0...(depth == 0 ? 4 : 6), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .integer(.random(in: .min ... .max, using: &random))
        case 3: return .number(.random(in: -1e9...1e9, using: &random))
        case 4: return .string(randomString(using: &random))
        case 5:
            return .array((0..<4).map { _ in randomValue(depth: depth - 1, using: &random) })
        default:
            var object = JSONObject()
            for index in 0..<4 {
                object["\(index)ü"] = randomValue(depth: depth - 1, using: &random)
            }
            return .object(object)
        }
    }

    private func randomString(using random: inout SplitMix64) -> String {
        var string = ""
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            let scalar = Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &random))
            string.unicodeScalars.append(scalar ?? "?")
        }
        return string
    }
}

@Suite struct JSONObjectTests {
    @Test func `equality ignores the order of members`() {
        let a: JSONObject = ["x": 1, "y": 2]
        #expect(a == ["y": 2, "x": 1])
        #expect(a != ["y": 1, "x": 2])
        #expect(a != ["x": 1])
    }

    @Test func `setting replaces in place, adds at the end, and removes by nil`() {
        var object: JSONObject = ["x": 1, "y": 2]
        object["x"] = 3
        object["z"] = 4
        #expect(JSONValue.object(object).serialized() == Array(#"{"x":3,"y":2,"z":4}"#.utf8))
        object["y"] = nil
        #expect(object.names == ["x", "z"])
    }

    @Test func `a name appended twice is a mistake of the program`() async {
        await #expect(processExitsWith: .failure) {
            var object: JSONObject = ["x": 1]
            object.append("x", 2)
        }
    }
}
