import Testing

@testable import HTTPClient

@Suite struct HeadReaderTests {
    private func read(_ lines: [String]) throws(HeadReader.Refusal) -> ResponseHead? {
        var reader = HeadReader()
        for line in lines {
            let bytes = Array("\(line)\r\n".utf8)
            try bytes.withUnsafeBufferPointer { buffer throws(HeadReader.Refusal) in
                try reader.read(line: UnsafeRawBufferPointer(buffer))
            }
        }
        return reader.final
    }

    @Test func `a head is final only with its empty line`() throws {
        #expect(try read(["HTTP/1.1 200 OK", "A: b"]) == nil)
        let head = try #require(try read(["HTTP/1.1 200", "A:b:c \t", "strange", "A: 2", ""]))
        #expect(head.status == 200)
        #expect(head.headers.map(\.value) == ["b:c", "2"])
        #expect(head.header("a") == "b:c")
    }

    @Test(arguments: ["HTTP/1.1", "HTTP/1.1 20 OK", "HTTP/1.1 +20 OK", "ICY 200 OK"])
    func `a line that is no status line is refused`(line: String) {
        #expect(throws: HeadReader.Refusal.notHTTP) { try read([line]) }
    }
}
