import Testing

@testable import HTTPServer

@Suite struct RequestTargetTests {
    private func target(_ text: String) throws -> RequestTarget {
        try RequestTarget(Array(text.utf8), method: .get)
    }

    @Test func `each segment is decoded once`() throws {
        let target = try target("/v1//a%2Fb/%00%2541/")
        #expect(
            target.segments
                == [Array("v1".utf8), [], Array("a/b".utf8), [0] + Array("%41".utf8), []])
        #expect(target.rawPath == Array("/v1//a%2Fb/%00%2541/".utf8))
    }

    @Test func `a slash in the rest of a path is the same raw and encoded`() throws {
        #expect(try target("/k/a/b").rest(afterSegments: 1) == Array("a/b".utf8))
        #expect(try target("/k/a%2Fb").rest(afterSegments: 1) == Array("a/b".utf8))
        #expect(try target("/k/").rest(afterSegments: 1) == [])
        #expect(try target("/k").rest(afterSegments: 1) == nil)
    }

    @Test func `a plus is a space in a query and a plus in a path`() throws {
        let target = try target("/a+b?x=1+2&y=1%2B2")
        #expect(target.segments == [Array("a+b".utf8)])
        #expect(target.query.map(\.value) == ["1 2", "1+2"])
    }

    @Test(arguments: ["/?wait=applied>=5", "/?wait=applied%3E%3D5"])
    func `a predicate arrives raw and encoded`(text: String) throws {
        let query = try target(text).query
        #expect(query.map(\.name) == ["wait"])
        #expect(query.map(\.value) == ["applied>=5"])
    }

    @Test func `a name without an equals sign has an empty value`() throws {
        let query = try target("/?a&b=&a=c?d").query
        #expect(query.map(\.name) == ["a", "b", "a"])
        #expect(query.map(\.value) == ["", "", "c?d"])
    }

    @Test func `a query value that is not UTF-8 is there as bytes`() throws {
        #expect(try target("/?prefix=%FF+%00").queryBytes("prefix") == [0xFF, 0x20, 0])
    }

    @Test(arguments: ["/%", "/%4", "/%zz", "/?a=%", "/a%2"])
    func `a malformed escape is refused`(text: String) {
        #expect(throws: MalformedRequest.self) { try target(text) }
    }

    @Test(arguments: ["http://x/", "x", "", "*"])
    func `only the origin form is accepted`(text: String) {
        #expect(throws: MalformedRequest.self) { try target(text) }
    }

    @Test func `an asterisk is the target of OPTIONS`() throws {
        #expect(try RequestTarget([42], method: .options).segments.isEmpty)
    }
}
