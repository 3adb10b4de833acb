/// A text with places, `{{name}}`, and what stands there when nothing is known.
struct PageTemplate: Sendable {
    private let pieces: [Piece]

    private enum Piece: Sendable {
        case text(String)
        case place(name: String, otherwise: String)
    }

    /// - Parameter text: Ours: a place is `{{name}}` or `{{name|what stands there otherwise}}`.
    init(_ text: String) {
        var pieces: [Piece] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "{{"),
            let close = rest[open.upperBound...].firstRange(of: "}}")
        {
            pieces.append(.text(String(rest[..<open.lowerBound])))
            let place = rest[open.upperBound..<close.lowerBound].split(
                separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
            pieces.append(
                .place(
                    name: String(place[0]), otherwise: place.count > 1 ? String(place[1]) : ""))
            rest = rest[close.upperBound...]
        }
        self.pieces = pieces + [.text(String(rest))]
    }

    /// The text with markup in its places, by name: whoever makes that has escaped it.
    func filled(with values: [String: String]) -> String {
        pieces.map { piece in
            switch piece {
            case .text(let text): text
            case .place(let name, let otherwise): values[name] ?? otherwise
            }
        }
        .joined()
    }
}

extension String {
    /// As text or as a quoted attribute of HTML: never markup.
    var escapedForHTML: String {
        var escaped = ""
        escaped.reserveCapacity(utf8.count)
        for scalar in unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
