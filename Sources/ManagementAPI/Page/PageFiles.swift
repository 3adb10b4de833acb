import HTTPServer
import Platform

/// The status page's files, each ready to be sent.
struct PageFiles: Sendable {
    private let files: [String: File]
    /// `index.html`, with places for what is known when it is asked for.
    let index: PageTemplate?

    private struct File: Sendable {
        var type: String
        var etag: String
        var bytes: [UInt8]
    }

    static let indexName = "index.html"

    /// - Parameter contents: By name; what is of no type that the page has is left out.
    init(_ contents: [String: [UInt8]]) {
        var files: [String: File] = [:]
        for (name, bytes) in contents where name != PageFiles.indexName {
            guard let type = PageFiles.type(of: name) else { continue }
            files[name] = File(type: type, etag: "\"\(Hash128(of: bytes).hex)\"", bytes: bytes)
        }
        self.files = files
        index = contents[PageFiles.indexName].map {
            PageTemplate(String(decoding: $0, as: UTF8.self))
        }
    }

    private static func type(of name: String) -> String? {
        if name.hasSuffix(".js") { return "text/javascript; charset=utf-8" }
        if name.hasSuffix(".css") { return "text/css; charset=utf-8" }
        return nil
    }

    /// Nothing but the page's own files, and requests to this server alone.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private static let headers: [(name: String, value: String)] = [
        ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]

    /// The page with what fills its places. It is kept nowhere, for it may hold the cluster's state.
    func answer(_ values: [String: String]) throws(Problem) -> Response {
        guard let index else {
            throw .notFound("This node was built without its status page.")
        }
        return Response(
            status: 200,
            headers: [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
                + PageFiles.headers,
            body: .bytes(Array(index.filled(with: values).utf8)))
    }

    /// What the page loads.
    func answer(file name: String, ifNoneMatch: TagCondition?) throws(Problem) -> Response {
        guard let file = files[name] else {
            throw .notFound("The status page has no such file.")
        }
        let isKnown = ifNoneMatch?.matchesWeakly(file.etag) ?? false
        return Response(
            status: isKnown ? 304 : 200,
            headers: [
                ("Content-Type", file.type), ("ETag", file.etag), ("Cache-Control", "no-cache"),
            ] + PageFiles.headers,
            body: .bytes(file.bytes))
    }
}
