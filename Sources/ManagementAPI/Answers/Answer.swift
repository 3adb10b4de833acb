import HTTPServer
import JSON
import Log
import Node

/// Answers of the usual kinds.
extension Response {
    static func json(
        _ value: JSONValue, status: Int = 200, headers: [(name: String, value: String)] = []
    ) -> Response {
        Response(
            status: status, headers: [("Content-Type", "application/json")] + headers,
            body: .bytes(value.serialized()))
    }

    /// What was done, and where in the log it is.
    static func position(_ position: Position) -> Response {
        .json(["position": position.json], headers: [(Headers.index, "\(position.index)")])
    }
}

enum Headers {
    static let requestID = "Convoy-Request-Id"
    static let index = "Convoy-Index"
    /// When a value that has a lifetime is gone.
    static let expiresAt = "Convoy-Expires-At"
}

/// One page of a list.
enum Page {
    static func json(_ items: [JSONValue], next: PageToken?) -> JSONValue {
        ["items": .array(items), "next_page_token": .orNull(next?.text)]
    }

    /// Cuts what was found to the page's size: one more was asked for, to see whether there is more.
    static func cut<Item>(
        _ found: [Item], size: Int, _ list: PageToken.List, _ key: (Item) -> [UInt8]
    ) -> (items: ArraySlice<Item>, next: PageToken?) {
        guard found.count > size, let last = found[..<size].last else { return (found[...], nil) }
        return (found[..<size], PageToken(list, after: key(last)))
    }
}
