import JSON
import Testing

@Suite struct JSONParsingTests {
    private func refusal(of text: String, depthMax: Int = 32, valuesMax: Int = 1_000_000)
        -> JSONError?
    {
        refusal(of: Array(text.utf8), depthMax: depthMax, valuesMax: valuesMax)
    }

    private func refusal(of bytes: [UInt8], depthMax: Int = 32, valuesMax: Int = 1_000_000)
        -> JSONError?
    {
        do {
            _ = try JSONValue(parsing: bytes, depthMax: depthMax, valuesMax: valuesMax)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a document of any type is read`() throws {
        let cases: [(String, JSONValue)] = [
            ("null", .null), (" true\n", true), ("false", false), ("-7", -7), ("1.5e3", 1500.0),
            ("\"\"", ""), ("[]", []), ("{}", [:]),
            (#"{"b":[1,{"a":null}],"a":"x"}"#, ["b": [1, ["a": .null]], "a": "x"]),
        ]
        for (text, value) in cases {
            #expect(try JSONValue(parsing: Array(text.utf8)) == value, "\(text)")
        }
    }

    @Test func `members keep the order of the document`() throws {
        let value = try JSONValue(parsing: Array(#"{"z":1,"a":2,"m":3}"#.utf8))
        #expect(value.objectValue?.names == ["z", "a", "m"])
    }

    @Test func `a string may contain NUL but a name may not`() throws {
        #expect(try JSONValue(parsing: Array(#""a\u0000b""#.utf8)) == "a\u{0}b")
        #expect(refusal(of: #"{"a\u0000b":1}"#)?.reason == .malformed)
    }

    @Test func `whole numbers are exact to the ends of 64 bits and refused beyond`() throws {
        #expect(try JSONValue(parsing: Array("9223372036854775807".utf8)) == .integer(.max))
        #expect(try JSONValue(parsing: Array("-9223372036854775808".utf8)) == .integer(.min))
        #expect(refusal(of: "9223372036854775808")?.reason == .numberOutOfRange)
        #expect(refusal(of: "-9223372036854775809")?.reason == .numberOutOfRange)
        #expect(refusal(of: "1e999")?.reason == .numberOutOfRange)
    }

    @Test func `a name that comes twice is refused where it comes again`() {
        let error = refusal(of: "{\"secret\": 1,\n \"secret\": 2}")
        #expect(error?.reason == .duplicateName)
        #expect(error?.line == 2)
        #expect(error?.message == "duplicate object key")
    }

    @Test func `names that only Unicode calls equal stay apart`() throws {
        let value = try JSONValue(parsing: Array("{\"\u{e9}\":1,\"e\u{301}\":2}".utf8))
        #expect(value["\u{e9}"] == 1)
        #expect(value["e\u{301}"] == 2)
        #expect(try JSONValue(parsing: value.serialized()) == value)
    }

    @Test(arguments: [
        "", " ", "{", "[1,", "[1,]", "{\"a\"}", "{a:1}", "nul", "01", "+1", ".5", "1.", "\"a",
        "\"\\x\"", "\"\\ud800\"", "\"\n\"", "1 2", "{} x", "'a'", "NaN", "[1] //",
    ])
    func `what is not JSON is refused`(text: String) {
        #expect(refusal(of: text)?.reason == .malformed)
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ] as [[UInt8]])
    func `invalid UTF-8 is refused`(bytes: [UInt8]) {
        #expect(refusal(of: [0x22] + bytes + [0x22])?.reason == .malformed)
    }

    @Test func `an error names its place and quotes no value`() {
        let error = refusal(of: "{\"token\":\n  tops3cret}")
        #expect(error?.line == 2)
        #expect(error?.message == "invalid token")
        #expect(error?.description.hasPrefix("line 2, column ") == true)
    }

    @Test func `depth is limited, brackets in strings do not count`() throws {
        #expect(refusal(of: "[[[]]]", depthMax: 3) == nil)
        let error = refusal(of: "[\n[[{}]]]", depthMax: 3)
        #expect(error?.reason == .limitExceeded)
        #expect(error?.description == "line 2, column 3: nested more than 3 levels deep")
        #expect(refusal(of: #"["\"[[[[[[[[\\",[]]"#, depthMax: 2) == nil)
    }

    @Test func `a million brackets do not reach the stack`() {
        #expect(refusal(of: String(repeating: "[", count: 1 << 20))?.reason == .limitExceeded)
        #expect(
            refusal(of: String(repeating: "{\"a\":", count: 1 << 20))?.reason == .limitExceeded)
    }

    @Test func `the number of values is limited`() {
        #expect(refusal(of: "[1,2,3]", valuesMax: 4) == nil)
        #expect(refusal(of: "[1,2,3,4]", valuesMax: 4)?.message == "more than 4 values")
    }

    @Test(arguments: UInt64(0)..<50)
    func `random bytes never crash and what is read can be written`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let alphabet = Array(#"{}[]",:\u0019eE+-. truefalsn"#.utf8) + [0, 0xC3, 0xA9, 0xFF, 10]
        for _ in 0..<400 {
            let count = Int.random(in: 0...40, using: &random)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            #expect(try JSONValue(parsing: value.serialized()) == value)
        }
    }
}
