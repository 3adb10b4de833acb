/// A request's method. Methods are case-sensitive: `get` is `.other("get")`.
public enum HTTPMethod: Sendable, Hashable {
    case get, head, put, post, delete, patch, options
    case other(String)

    public init(_ name: String) {
        self =
            switch name {
            case "GET": .get
            case "HEAD": .head
            case "PUT": .put
            case "POST": .post
            case "DELETE": .delete
            case "PATCH": .patch
            case "OPTIONS": .options
            default: .other(name)
            }
    }

    public var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .put: "PUT"
        case .post: "POST"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .other(let name): name
        }
    }
}
