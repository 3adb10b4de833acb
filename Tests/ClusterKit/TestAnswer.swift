public import JSON
public import HTTPClient

/// What a node answered.
public struct TestAnswer: Sendable {
    public let method: String
    public let path: String
    public let response: FetchResponse

    public var status: Int { response.status }
    public var body: [UInt8] { response.body }
    public var text: String { String(decoding: body, as: UTF8.self) }

    public func header(_ name: String) -> String? { response.header(name) }

    /// The body as JSON; null when it is none.
    public var json: JSONValue {
        guard let value = try? JSONValue(parsing: body, valuesMax: 50_000_000) else { return .null }
        return value
    }

    /// The member of the JSON body.
    public subscript(name: String) -> JSONValue? { json[name] }

    /// The `code` of a problem; nil for anything else.
    public var problem: String? {
        guard header("Content-Type") == "application/problem+json" else { return nil }
        return json["code"]?.stringValue
    }

    /// The index of `Convoy-Index`.
    public var index: UInt64? { header("Convoy-Index").flatMap { UInt64($0) } }

    public var etag: String? { header("ETag") }

    /// This answer, when it has one of these statuses.
    ///
    /// - Throws: ``ClusterFailure`` that quotes the answer.
    @discardableResult
    public func expecting(_ statuses: Int...) throws(ClusterFailure) -> TestAnswer {
        guard statuses.contains(status) else {
            let wanted = statuses.map(String.init).joined(separator: " or ")
            throw ClusterFailure("\(self) instead of \(wanted)")
        }
        return self
    }
}

extension TestAnswer: CustomStringConvertible {
    public var description: String { "\(method) \(path): \(status) \(text.prefix(600))" }
}
