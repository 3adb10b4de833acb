/// Where the next page of a list begins: opaque to clients, base64url.
struct PageToken: Equatable, Sendable {
    /// What the list is of: a token of one list is refused by another.
    enum List: UInt8, Sendable {
        case namespaces = 1
        case keys = 2
        case generations = 3
        case operations = 4
        case tokens = 5
        case audit = 6
        case events = 16
    }

    let list: List
    /// The last item of the page before.
    let last: [UInt8]

    init(_ list: List, after last: [UInt8]) {
        self.list = list
        self.last = last
    }

    /// Nil for anything that ``text`` did not write.
    init?(_ text: String) {
        guard let bytes = Base64.decodeURL(text), let first = bytes.first,
            let list = List(rawValue: first)
        else { return nil }
        self.init(list, after: Array(bytes.dropFirst()))
    }

    var text: String { Base64.encodeURL([list.rawValue] + last) }
}

/// Which page of a list a request asks for.
struct PageRequest: Equatable, Sendable {
    /// Items at most.
    var size: Int
    /// The last item of the page before; nil for the first page.
    var after: [UInt8]?

    static let sizeDefault = 100
    static let sizeMax = 1_000

    init(_ query: Query, of list: PageToken.List) throws(Problem) {
        size =
            try query.integer("page_size", in: 1...PageRequest.sizeMax) ?? PageRequest.sizeDefault
        guard let text = query.text("page_token") else { return }
        guard let token = PageToken(text), token.list == list else {
            throw .invalidArgument(
                "page_token is not one of this list. Ask without it for the first page.")
        }
        after = token.last
    }
}
