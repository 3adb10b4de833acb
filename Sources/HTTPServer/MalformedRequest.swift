/// Why a request is refused with 400 before any handler sees it.
struct MalformedRequest: Error, Equatable {
    /// A sentence for the client; never holds bytes of the request.
    let detail: String
    /// Whether the end of the body is in doubt, so that the connection cannot be used any further.
    let breaksFraming: Bool

    static func framing(_ detail: String) -> MalformedRequest {
        MalformedRequest(detail: detail, breaksFraming: true)
    }

    static func content(_ detail: String) -> MalformedRequest {
        MalformedRequest(detail: detail, breaksFraming: false)
    }
}
