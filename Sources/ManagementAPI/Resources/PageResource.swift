import HTTPServer
import Platform

/// The status page's files, each ready to be sent.
struct PageFiles: Sendable {
    private let files: [String: File]

    private struct File: Sendable {
        var type: String
        var etag: String
        var bytes: [UInt8]
    }

    /// - Parameter contents: By name; what the page does not have is left out.
    init(_ contents: [String: [UInt8]]) {
        var files: [String: File] = [:]
        for (name, type) in PageFiles.types {
            guard let bytes = contents[name] else { continue }
            files[name] = File(type: type, etag: "\"\(Hash128(of: bytes).hex)\"", bytes: bytes)
        }
        self.files = files
    }

    private static let types = [
        "index.html": "text/html; charset=utf-8",
        "status.js": "text/javascript; charset=utf-8",
        "words.js": "text/javascript; charset=utf-8",
        "status.css": "text/css; charset=utf-8",
    ]

    /// Nothing but the page's own files, and requests to this server alone.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    func answer(_ name: String, ifNoneMatch: TagCondition?) throws(Problem) -> Response {
        guard let file = files[name] else {
            throw .notFound("This node was built without its status page.")
        }
        let isKnown = ifNoneMatch?.matchesWeakly(file.etag) ?? false
        return Response(
            status: isKnown ? 304 : 200,
            headers: [
                ("Content-Type", file.type), ("ETag", file.etag), ("Cache-Control", "no-cache"),
                ("Content-Security-Policy", PageFiles.policy),
                ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ],
            body: .bytes(file.bytes))
    }
}

/// `/` and what the page loads.
enum PageResource {
    static let routes: [Route] = [
        route("/", "index.html"), route("/status.js", "status.js"),
        route("/words.js", "words.js"), route("/status.css", "status.css"),
    ]

    private static func route(_ path: String, _ name: String) -> Route {
        Route(.get, path, .open) { call throws(Problem) -> Route.Outcome in
            let known = try TagCondition.read(
                call.head.headers(named: "If-None-Match"), header: "If-None-Match")
            return .response(try call.api.page.answer(name, ifNoneMatch: known))
        }
    }
}
