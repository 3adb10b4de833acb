/// Status and headers of the final response; `1xx` and trailers are left out.
public struct ResponseHead: Sendable {
    public let status: Int
    public let headers: [(name: String, value: String)]

    /// The first header of that name, in whatever case.
    public func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name.lowercased() == name }?.value
    }

    /// The length that the server announced, of a body that HEAD does not bring.
    public var contentLength: UInt64? { header("content-length").flatMap { UInt64($0) } }
}

/// An answer, whatever its status. Redirects are answers too: nothing is followed.
public struct FetchResponse: Sendable {
    public let head: ResponseHead
    /// What was collected; empty if the body was delivered in chunks.
    public let body: [UInt8]

    public var status: Int { head.status }
    public var headers: [(name: String, value: String)] { head.headers }

    public func header(_ name: String) -> String? { head.header(name) }
}

/// What to do with a body, decided once its head is known.
public enum StreamDecision: Sendable {
    /// Hand it over in chunks as they come.
    case deliver
    /// Gather it into the response, up to ``FetchRequest/answerBytesMax``: the text of an error.
    case collect
    /// Drop the connection and return the head.
    case stop
}
