import HTTPServer
import JSON
import Testing

@testable import ManagementAPI

@Suite struct FieldsTests {
    private func read(
        _ text: String, _ names: [String], _ body: (Fields) -> Void
    ) throws -> Problem? {
        let faults = FaultList()
        let value = try JSONValue(parsing: Array(text.utf8))
        body(Fields(value, allowing: names, faults))
        do throws(Problem) {
            try faults.check()
            return nil
        } catch {
            return error
        }
    }

    @Test func `a document without a fault is no problem`() throws {
        let problem = try read(#"{"a":"x","b":3.0,"c":true,"d":[1]}"#, ["a", "b", "c", "d"]) {
            #expect($0.text("a", isRequired: true) == "x")
            #expect($0.integer("b", in: 0...3) == 3)
            #expect($0.flag("c") == true)
            #expect($0.list("d", count: 1...1)?.first?.pointer == "/d/0")
            #expect($0.text("e") == nil)
        }
        #expect(problem == nil)
    }

    @Test func `every fault is told at once, each with its pointer`() throws {
        let text = #"{"a":1,"b":4,"b2":1.5,"c":"true","d":[],"x/y~":0}"#
        let problem = try read(text, ["a", "b", "b2", "c", "d", "e"]) {
            _ = $0.text("a")
            _ = $0.integer("b", in: 0...3)
            _ = $0.integer("b2", in: 0...3)
            _ = $0.flag("c")
            _ = $0.list("d", count: 1...2)
            _ = $0.text("e", isRequired: true)
        }
        #expect(problem?.status == 400)
        #expect(problem?.code == "unknown-field")
        #expect(
            problem?.faults.map(\.pointer)
                == ["/x~1y~0", "/a", "/b", "/b2", "/c", "/d", "/e"])
        #expect(problem?.faults.last?.code == "missing")
    }

    @Test func `faults of known fields alone are a failed validation`() throws {
        let problem = try read(#"{"a":null}"#, ["a"]) { _ = $0.text("a") }
        #expect(problem?.status == 422)
        #expect(problem?.code == "validation-failed")
        #expect(problem?.faults.first?.pointer == "/a")
    }

    @Test(arguments: ["[]", "null", "3", "\"x\""])
    func `what is no object is one fault of the whole`(text: String) throws {
        let problem = try read(text, ["a"]) { _ = $0.text("a") }
        #expect(problem?.faults.map(\.pointer) == [""])
    }

    @Test func `no value of the document is repeated, and what is told is bounded`() throws {
        let members = (0..<500).map { "\"secret-name-\($0)\":1" }.joined(separator: ",")
        let problem = try read("{\"a\":\"hush\",\(members)}", ["a"]) {
            _ = $0.flag("a")
        }
        let faults = try #require(problem?.faults)
        #expect(faults.count == FaultList.faultsMax)
        #expect(!faults.contains { $0.detail.contains("hush") })
        let long = String(repeating: "n", count: 5_000)
        let other = try read("{\"\(long)\":1}", ["a"]) { _ in }
        #expect((other?.faults.first?.pointer.utf8.count ?? .max) <= FaultList.pointerBytesMax)
    }
}

@Suite struct QueryTests {
    private func query(
        _ target: String, _ names: [String]
    ) throws -> Result<Query, Problem> {
        let pairs = try Heads.head(.get, target).query
        return Result { () throws(Problem) -> Query in try Query(pairs, allowing: names) }
    }

    @Test func `an unknown parameter is refused, and those that are known are named`() throws {
        guard case .failure(let problem) = try query("/?prefx=hush", ["prefix"]) else {
            return failed("accepted")
        }
        #expect(problem.status == 400)
        #expect(problem.code == "invalid-argument")
        #expect(problem.detail.contains("prefix"))
        #expect(!problem.detail.contains("hush"))
    }

    @Test func `only waits may stand twice`() throws {
        let query = try query("/?wait=a&wait=b", ["wait"]).get()
        #expect(query.all("wait") == ["a", "b"])
        guard case .failure = try self.query("/?x=1&x=1", ["x"]) else {
            return failed("accepted")
        }
    }

    @Test(arguments: ["0", "1001", "-1", "+5", "5x", "", "99999999999999999999", "1.0", "%31x"])
    func `a number outside its range, or none, is refused`(text: String) throws {
        let query = try query("/?n=\(text)", ["n"]).get()
        #expect(throws: Problem.self) { try query.integer("n", in: 1...1000) }
    }

    @Test func `numbers, flags and durations are read`() throws {
        let query = try query("/?n=7&t=true&f=false&d=2m", ["n", "t", "f", "d"]).get()
        #expect(try query.integer("n", in: 1...10) == 7)
        #expect(try query.flag("t"))
        #expect(try !query.flag("f"))
        #expect(try !query.flag("absent"))
        #expect(try query.duration("d", max: .seconds(120)) == .seconds(120))
        #expect(throws: Problem.self) { try query.duration("d", max: .seconds(119)) }
        #expect(throws: Problem.self) { try query.flag("n") }
    }
}

@Suite struct DurationTextTests {
    @Test(arguments: [
        ("0s", Duration.zero), ("500ms", .milliseconds(500)), ("30s", .seconds(30)),
        ("5m", .seconds(300)), ("999999m", .seconds(59_999_940)), ("007s", .seconds(7)),
    ])
    func `durations are read`(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
    }

    @Test(arguments: [
        "", "5", "s", "5h", "5 s", "-5s", "1.5s", "5S", "1000000s", "5ms ", "٣s", "5mm",
    ])
    func `anything else is refused`(text: String) {
        #expect(DurationText.parse(text) == nil)
    }
}

@Suite struct PageTokenTests {
    @Test(arguments: [
        [], [0], Array("last/key".utf8), [0xFF, 0xFE, 0], Array(repeating: 7, count: 999),
    ])
    func `a token reads back as what it was made of`(last: [UInt8]) {
        let token = PageToken(.keys, after: last)
        #expect(PageToken(token.text) == token)
        #expect(token.text.utf8.allSatisfy { $0 != 0x2B && $0 != 0x2F && $0 != 0x3D })
    }

    @Test(arguments: ["", "A", "AA==", "////", "AB", "a b", "CQ", "/w"])
    func `what no list has given out is refused`(text: String) {
        #expect(PageToken(text) == nil)
    }

    @Test func `a token of another list is refused`() throws {
        let token = PageToken(.namespaces, after: [1]).text
        let query = try Query([("page_token", token)], allowing: ["page_token"])
        #expect(throws: Problem.self) { try PageRequest(query, of: .keys) }
        #expect(try PageRequest(query, of: .namespaces).after == [1])
        #expect(try PageRequest(query, of: .namespaces).size == 100)
    }

    @Test func `a page is cut where more was found than fits`() {
        let full = Page.cut([1, 2, 3], size: 2, .keys) { [UInt8($0)] }
        #expect(Array(full.items) == [1, 2])
        #expect(full.next == PageToken(.keys, after: [2]))
        let last = Page.cut([1, 2], size: 2, .keys) { [UInt8($0)] }
        #expect(Array(last.items) == [1, 2])
        #expect(last.next == nil)
    }
}

@Suite struct Base64Tests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func `the examples of RFC 4648 hold`(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm 9", "Zm9-", "=Zg=",
    ])
    func `what no encoder writes is refused`(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
