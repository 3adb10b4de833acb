import HTTPServer
import Node
import Testing

@testable import ManagementAPI

/// What the server writes into the page.
@Suite struct PageTests {
    @Test func `places are filled, and stand as they are otherwise`() {
        let page = PageTemplate("<h1>{{title|Nothing known}}</h1>{{rows}}<b>{{title}}</b>")
        #expect(page.filled(with: [:]) == "<h1>Nothing known</h1><b></b>")
        #expect(
            page.filled(with: ["title": "A", "rows": "<tr>", "other": "x"])
                == "<h1>A</h1><tr><b>A</b>")
    }

    @Test func `what fills a place is never looked at for places`() {
        let page = PageTemplate("{{a}}{{b}}")
        #expect(page.filled(with: ["a": "{{b}}", "b": "1"]) == "{{b}}1")
    }

    @Test func `no text becomes markup, in an element or in an attribute`() {
        #expect(
            "<script>\"a\" & 'b'</script>".escapedForHTML
                == "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;")
        #expect("n1 ✓ naïve".escapedForHTML == "n1 ✓ naïve")
    }

    @Test func `figures read as in the script`() {
        #expect(
            [0, 999, 1_000, 1_234_567].map { Wording.count($0) } == [
                "0", "999", "1,000", "1,234,567",
            ])
        #expect(
            [999, 1_000, 99_949, 999_950, 1_500_000_000].map { Wording.bytes($0) }
                == ["999 B", "1.0 kB", "99.9 kB", "1.0 MB", "1.5 GB"])
        #expect(
            [0.01, 0.3, 42.9, 75, 700, 7_260, 200_000].map { Wording.duration($0) }
                == ["0 s", "0.3 s", "42 s", "1 min 15 s", "11 min", "2 h 1 min", "2 days"])
        #expect(Wording.counted(1, "entry", "entries") == "1 entry")
    }

    @Test func `the page's files have a type, and what has none is not served`() throws {
        let files = PageFiles(["a.js": [1], "b.css": [2], "c.txt": [3], "index.html": [4]])
        #expect(try files.answer(file: "a.js", ifNoneMatch: nil).status == 200)
        #expect(try files.answer(file: "b.css", ifNoneMatch: nil).status == 200)
        for name in ["c.txt", "index.html", "../a.js", ""] {
            #expect(throws: Problem.self) { try files.answer(file: name, ifNoneMatch: nil) }
        }
    }
}
