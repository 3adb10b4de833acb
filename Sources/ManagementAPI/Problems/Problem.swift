import HTTPServer
public import JSON

/// A refusal as clients see it: `application/problem+json` (RFC 9457).
///
/// `code` is what programs compare; the same code always has the same status. `detail` is a full
/// sentence that says what to do and names the limit; it never has a value or a token in it.
public struct Problem: Error, Sendable {
    public var status: Int
    public var code: String
    public var detail: String
    /// What the code adds to the document.
    public var members: [(name: String, value: JSONValue)] = []
    /// Every fault of the request's document.
    public var faults: [Fault] = []
    public var headers: [(name: String, value: String)] = []

    /// One thing that is wrong with a document.
    public struct Fault: Equatable, Sendable {
        /// A JSON pointer into the request; empty for the whole of it.
        public var pointer: String
        public var code: String
        public var detail: String
    }

    /// For the codes that this module makes there is a function each in `Problem+Codes`.
    init(_ status: Int, _ code: String, _ detail: String) {
        self.status = status
        self.code = code
        self.detail = detail
    }

    func with(_ name: String, _ value: JSONValue) -> Problem {
        var problem = self
        problem.members.append((name, value))
        return problem
    }

    func with(header name: String, _ value: String) -> Problem {
        var problem = self
        problem.headers.append((name, value))
        return problem
    }

    func with(_ faults: [Fault]) -> Problem {
        var problem = self
        problem.faults = faults
        return problem
    }

    /// `not-primary` is "Not primary".
    private var title: String {
        let words = code.split(separator: "-").map { $0 == "json" ? "JSON" : $0 }
            .joined(separator: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }

    func json(requestID: String) -> JSONValue {
        var document: JSONObject = [
            "type": .string("/problems/\(code)"), "title": .string(title),
            "status": JSONValue(status), "code": .string(code), "detail": .string(detail),
            "request_id": .string(requestID),
        ]
        for (name, value) in members { document[name] = value }
        if !faults.isEmpty {
            document["errors"] = .array(
                faults.map {
                    [
                        "pointer": .string($0.pointer), "code": .string($0.code),
                        "detail": .string($0.detail),
                    ]
                })
        }
        return .object(document)
    }

    func response(requestID: String) -> Response {
        Response(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers,
            body: .bytes(json(requestID: requestID).serialized()))
    }
}
