import Engine
import JSON
import Platform

/// Which page of the list of namespaces a request asks for, and in which order.
struct NamespacePage: Sendable {
    let listing: NamespaceListing
    private let size: Int

    init(_ query: Query) throws(Problem) {
        let page = try PageRequest(query, of: .namespaces)
        let order = try NamespacePage.word(query, "sort", NamespaceOrder.self) ?? .name
        let direction = try NamespacePage.word(query, "order", Direction.self) ?? .asc
        let after = try page.after.map { bytes throws(Problem) in
            guard let token = Token(bytes) else { throw .invalidArgument(NamespacePage.unlike) }
            guard token.order == order, token.direction == direction else {
                throw .invalidArgument(
                    "page_token is of a list that is sorted by \(token.order.rawValue), \(token.direction.rawValue). Ask with the same sort and order, or without it for the first page."
                )
            }
            return token.place
        }
        size = page.size
        listing = NamespaceListing(
            order: order, isDescending: direction == .desc, prefix: query.text("prefix") ?? "",
            isInTrouble: try query.flag("in_trouble"), after: after, countMax: page.size + 1)
    }

    private static let unlike =
        "page_token is not one of this list. Ask without it for the first page."

    enum Direction: String, CaseIterable, Sendable { case asc, desc }

    private static func word<Word: RawRepresentable<String> & CaseIterable>(
        _ query: Query, _ name: String, _ type: Word.Type
    ) throws(Problem) -> Word? {
        guard let text = query.text(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalidArgument("\(name) must be one of \(words).")
        }
        return word
    }

    /// What a page token holds: the order, and where the last namespace stood in it.
    private struct Token {
        let order: NamespaceOrder
        let direction: Direction
        let place: NamespaceListing.Place

        init(_ order: NamespaceOrder, _ direction: Direction, _ place: NamespaceListing.Place) {
            self.order = order
            self.direction = direction
            self.place = place
        }

        init?(_ bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            guard let number: UInt8 = reader.little(),
                Int(number / 2) < NamespaceOrder.allCases.count
            else { return nil }
            order = NamespaceOrder.allCases[Int(number / 2)]
            direction = number % 2 == 0 ? .asc : .desc
            if order == .name {
                guard
                    let name = reader.take(reader.remaining).flatMap({
                        String(validating: $0, as: UTF8.self)
                    })
                else { return nil }
                place = .named(name)
            } else {
                guard let rank: UInt64 = reader.little(), let id: UInt32 = reader.little(),
                    reader.isAtEnd
                else { return nil }
                place = .ranked(rank, NamespaceID(rawValue: id))
            }
        }

        var bytes: [UInt8] {
            let number = NamespaceOrder.allCases.firstIndex(of: order) ?? 0
            var writer = ByteWriter(capacity: 80)
            writer.little(UInt8(number * 2 + (direction == .asc ? 0 : 1)))
            switch place {
            case .named(let name): writer.append(Array(name.utf8))
            case .ranked(let rank, let id):
                writer.little(rank)
                writer.little(id.rawValue)
            }
            return writer.bytes
        }
    }

    func json(_ catalog: Catalog) -> JSONValue {
        let found = catalog.namespaces(listing)
        let direction = listing.isDescending ? Direction.desc : .asc
        let (items, next) = Page.cut(found, size: size, .namespaces) {
            Token(listing.order, direction, $0.place).bytes
        }
        return Page.json(items.map(\.namespace.json), next: next)
    }
}
