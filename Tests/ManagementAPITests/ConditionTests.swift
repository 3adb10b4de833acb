import Testing

@testable import ManagementAPI

@Suite struct TagConditionTests {
    private func read(_ fields: String...) -> Result<TagCondition?, Problem> {
        Result { () throws(Problem) -> TagCondition? in
            try TagCondition.read(fields, header: "If-Match")
        }
    }

    @Test func `no header is no condition`() throws { #expect(try read().get() == nil) }

    @Test func `an asterisk matches everything`() throws {
        let condition = try #require(try read(" * ").get())
        #expect(condition.matchesStrongly("\"x\""))
        #expect(condition.matchesWeakly("\"x\""))
    }

    @Test func `any tag of a list matches, over several headers and with commas inside`() throws {
        let condition = try #require(try read(#""a" , W/"b","#, #""c,d""#).get())
        for tag in ["\"a\"", "\"c,d\""] { #expect(condition.matchesStrongly(tag)) }
        #expect(!condition.matchesStrongly("\"d\""))
    }

    @Test func `a weak tag matches reads alone`() throws {
        let condition = try #require(try read(#"W/"b""#).get())
        #expect(!condition.matchesStrongly("\"b\""))
        #expect(condition.matchesWeakly("\"b\""))
    }

    @Test(arguments: [
        "", "a", "\"a", "a\"", "\"a\"x", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", ",", "\"a b\"",
    ])
    func `what is no list of tags is refused`(text: String) {
        guard case .failure(let problem) = read(text) else { return failed("accepted") }
        #expect(problem.status == 412)
        #expect(problem.detail.contains("If-Match"))
        #expect(throws: Problem.self) { try TagCondition.read([text], header: "If-None-Match") }
    }
}

@Suite struct ByteRangeTests {
    @Test(arguments: [
        ("bytes=0-9", ByteRange.part(offset: 0, length: 10)),
        ("bytes=10-", .part(offset: 10, length: 90)), ("bytes=-10", .part(offset: 90, length: 10)),
        ("bytes=99-99", .part(offset: 99, length: 1)),
        ("bytes=50-500", .part(offset: 50, length: 50)),
        ("bytes=-500", .part(offset: 0, length: 100)), ("bytes=100-", .unsatisfiable),
        ("bytes=-0", .unsatisfiable), ("bytes=200-300", .unsatisfiable),
        ("bytes=9-1", .whole), ("bytes=0-1,5-6", .whole), ("lines=0-1", .whole),
        ("bytes=-", .whole),
        ("bytes=a-b", .whole), ("bytes=0-99999999999999999999", .whole), ("bytes=+1-2", .whole),
    ])
    func `a range is read against the size`(header: String, range: ByteRange) {
        #expect(ByteRange(header, size: 100) == range, "\(header)")
    }

    @Test func `of an empty file there is only the whole`() {
        #expect(ByteRange(nil, size: 0) == .whole)
        #expect(ByteRange("bytes=0-", size: 0) == .unsatisfiable)
    }
}

@Suite struct ContentTypeTests {
    @Test(arguments: [
        "application/json", "Application/JSON", "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ])
    func `JSON is JSON`(text: String) { #expect(ContentType.isJSON(text)) }

    @Test(arguments: [
        "", "text/plain", "application/jsonx", "application/json; charset=latin1",
        "application/x-www-form-urlencoded", "application/json; boundary=x", "text/json",
    ])
    func `anything else is not`(text: String) { #expect(!ContentType.isJSON(text)) }
}
