public import Engine
public import JSON
import Log
import Platform

/// What `GET /replication/catalog` answers.
public struct CatalogSums: Equatable, Sendable {
    /// Of the last entry that changed the catalog.
    var index: LogIndex
    var sums: [Hash128]

    public init(of state: EngineState) {
        index = state.header.catalogIndex
        sums = state.catalog.namespaceSums()
    }

    public var json: JSONValue {
        [
            "index": JSONValue(index.rawValue),
            "sums": .array(sums.map { .string($0.hex) }),
        ]
    }

    init?(json: JSONValue) {
        guard let index = json["index"]?.unsigned,
            let sums = json["sums"]?.arrayValue?.compactMap({
                $0.stringValue.flatMap(Hash128.init(hex:))
            }), sums.count == Catalog.digestParts
        else { return nil }
        self.index = LogIndex(index)
        self.sums = sums
    }
}

/// What `GET /replication/catalog/{part}` answers.
public struct CatalogPart: Equatable, Sendable {
    var index: LogIndex
    var namespaces: [NamespaceDigest]

    public init(_ part: Int, of state: EngineState) {
        index = state.header.catalogIndex
        namespaces = state.catalog.namespaceDigests(of: part)
    }

    public var json: JSONValue {
        [
            "index": JSONValue(index.rawValue),
            "namespaces": .array(
                namespaces.map {
                    [
                        "id": JSONValue($0.id.rawValue), "name": .string($0.name),
                        "digest": .string($0.digest.hex),
                    ]
                }),
        ]
    }

    init?(json: JSONValue) {
        guard let index = json["index"]?.unsigned, let items = json["namespaces"]?.arrayValue else {
            return nil
        }
        self.index = LogIndex(index)
        namespaces = items.compactMap { item in
            guard let id = item["id"]?.unsigned.flatMap(UInt32.init(exactly:)),
                let name = item["name"]?.stringValue,
                let digest = item["digest"]?.stringValue.flatMap(Hash128.init(hex:))
            else { return nil }
            return NamespaceDigest(id: NamespaceID(rawValue: id), name: name, digest: digest)
        }
    }
}
