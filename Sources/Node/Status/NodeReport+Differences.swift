public import Engine
import JSON

extension NodeReport {
    /// The namespaces that a node, whose catalog is not its primary's, does not have as the primary has them.
    public struct CatalogDifferences: Equatable, Sendable {
        /// None: what differs are tokens, or the topology.
        public var count = 0
        /// There may be more of them.
        public var isAtLeast = false
        /// Some of them.
        public var items: [NamespaceDifference] = []

        public static let itemsMax = 20
    }
}

extension NodeReport.CatalogDifferences {
    var json: JSONValue {
        [
            "count": JSONValue(count), "at_least": .bool(isAtLeast),
            "items": .array(
                items.map {
                    ["name": .string($0.name), "difference": .string($0.kind.rawValue)]
                }),
        ]
    }

    init?(json: JSONValue) {
        guard let count = json["count"]?.integerValue.flatMap(Int.init(exactly:)) else {
            return nil
        }
        self.count = count
        isAtLeast = json["at_least"]?.boolValue ?? false
        items = (json["items"]?.arrayValue ?? []).prefix(Self.itemsMax).compactMap { item in
            guard let name = item["name"]?.stringValue,
                let kind = item["difference"]?.stringValue
                    .flatMap(NamespaceDifference.Kind.init(rawValue:))
            else { return nil }
            return NamespaceDifference(name: name, kind: kind)
        }
    }

    /// In words, with the node as their subject: "it lacks shop; it has aa otherwise".
    var text: String {
        guard count > 0 else {
            return "its namespaces are the same, so tokens or the topology differ"
        }
        func part(_ kind: NamespaceDifference.Kind, _ before: String, _ after: String) -> String? {
            let names = items.filter { $0.kind == kind }.map(\.name)
            guard let _ = names.first else { return nil }
            return "\(before) \(Wording.names(Array(names.prefix(3)), of: names.count))\(after)"
        }
        let parts = [
            part(.missing, "it lacks", ""), part(.differs, "it has", " otherwise"),
            part(.extra, "it has", " too much"),
        ].compactMap { $0 }
        let more =
            count > items.count
            ? "; \(isAtLeast ? "at least " : "")\(Wording.count(count)) in all" : ""
        return parts.joined(separator: ", ") + more
    }
}
