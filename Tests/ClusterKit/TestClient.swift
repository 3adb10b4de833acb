import HTTPClient
public import JSON
import Platform

/// A client of one node, for any number of threads at once. Every call blocks its thread.
///
/// Connections are kept open; each thread has one for itself while it asks.
public struct TestClient: Sendable {
    public let base: String
    public var token: String?
    /// For one answer; a request that waits on the server adds the time it waits.
    public var patience: Duration = .seconds(15)
    private let idle = Monitor<[HTTPFetcher]>([])

    public init(base: String, token: String? = nil) {
        self.base = base
        self.token = token
    }

    /// The same connections, with a token.
    public func with(token: String?) -> TestClient {
        var other = self
        other.token = token
        return other
    }

    public func get(_ path: String, headers: [(String, String)] = []) throws -> TestAnswer {
        try ask("GET", path, headers: headers)
    }

    public func delete(_ path: String) throws -> TestAnswer { try ask("DELETE", path) }

    public func put(
        _ path: String, _ body: [UInt8], headers: [(String, String)] = []
    ) throws -> TestAnswer {
        try ask("PUT", path, body: body, headers: headers)
    }

    /// With nil no body at all.
    public func post(
        _ path: String, _ body: JSONValue? = nil, headers: [(String, String)] = []
    ) throws -> TestAnswer {
        try ask("POST", path, json: body, headers: headers)
    }

    public func ask(
        _ method: String, _ path: String, json body: JSONValue?, headers: [(String, String)] = []
    ) throws -> TestAnswer {
        guard let body else { return try ask(method, path, headers: headers) }
        return try ask(
            method, path, body: body.serialized(),
            headers: [("Content-Type", "application/json")] + headers)
    }

    /// Asks and blocks until the answer is complete; `waiting` is how long the server may take
    /// before it begins to answer.
    ///
    /// Throws ``FetchError`` when there is no answer; the request may have been acted on.
    public func ask(
        _ method: String, _ path: String, body: [UInt8]? = nil,
        headers: [(String, String)] = [], waiting: Duration = .zero
    ) throws -> TestAnswer {
        var headers = headers
        if let token { headers.append(("Authorization", "Bearer \(token)")) }
        let request = FetchRequest(
            method: method, url: base + path, headers: headers, body: body,
            deadlines: FetchDeadlines(
                connect: .seconds(15), idle: patience + waiting,
                total: patience + waiting + .seconds(5)),
            answerBytesMax: 256 << 20)
        let fetcher = idle.withLock { $0.popLast() } ?? HTTPFetcher(userAgent: "convoy-tests")
        let response = try fetcher.fetch(request)
        idle.withLock { $0.append(fetcher) }
        return TestAnswer(method: method, path: path, response: response)
    }
}

/// The paths of the API, with what goes into them percent-encoded.
public enum Path {
    public static func namespace(_ name: String) -> String { "/v1/namespaces/\(name)" }

    public static func key(_ key: String, in namespace: String = "default") -> String {
        self.key(Array(key.utf8), in: namespace)
    }

    public static func key(_ key: [UInt8], in namespace: String = "default") -> String {
        "/v1/namespaces/\(namespace)/keys/\(encoded(key))"
    }

    /// Everything but unreserved characters as `%XX`.
    public static func encoded(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.append(byte)
            default:
                text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
