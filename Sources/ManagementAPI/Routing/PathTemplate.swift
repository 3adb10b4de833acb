/// The paths that one operation serves: `/v1/namespaces/{ns}/keys/{key}`.
struct PathTemplate: Sendable {
    enum Part: Equatable, Sendable {
        case literal(String)
        /// One segment, any text.
        case parameter(String)
        /// All that is left of the path, decoded as a whole.
        case rest(String)
    }

    let text: String
    let parts: [Part]

    /// The one name that stands for the rest of a path.
    private static let restName = "key"

    /// - Parameter text: Ours: nothing is checked.
    init(_ text: String) {
        self.text = text
        parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            part in
            guard part.hasPrefix("{") else { return .literal(String(part)) }
            let name = String(part.dropFirst().dropLast())
            return name == PathTemplate.restName ? .rest(name) : .parameter(name)
        }
    }

    /// How many segments stand before the rest; nil without one.
    var segmentsBeforeRest: Int? {
        if case .rest = parts.last { parts.count - 1 } else { nil }
    }
}
