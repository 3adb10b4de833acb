public import JSON
import Platform

/// "Equal" as INCIDENTS.md says it: same position, same catalog digest, same keys and values,
/// compared key by key.
public struct KeyComparison: Sendable {
    /// How many keys with their values were compared, over all namespaces.
    public private(set) var keysCompared = 0
    /// In words; empty when the nodes are equal.
    public private(set) var differences: [String] = []
    /// At which all nodes stood.
    public private(set) var position: PositionView?

    public var isEqual: Bool { differences.isEmpty }

    /// Blocks until the nodes stand at one position (nobody may write meanwhile), then compares.
    ///
    /// - Parameters:
    ///   - nodes: The first one is what the others are held against.
    ///   - time: In which they must have come to one position.
    ///   - threads: How many keep-alive connections read values at once.
    /// - Throws: When a node does not answer, or they do not come to one position in time.
    public init(
        _ nodes: [ConvoyProcess], within time: Duration = .seconds(40), threads: Int = 4
    ) throws {
        guard let first = nodes.first else { return }
        let views = try KeyComparison.viewsAtOnePosition(nodes, within: time)
        position = views[0].position
        let names = try first.client.namespaceNames()
        for (other, view) in zip(nodes, views).dropFirst() {
            // Of that very position: the end of an operation may be an entry after it.
            compare("catalog digest", views[0].catalogDigest, view.catalogDigest, other)
            compare("namespaces", names, try other.client.namespaceNames(), other)
        }
        for name in names { try compareNamespace(name, nodes, threads) }
    }

    private mutating func compareNamespace(
        _ name: String, _ nodes: [ConvoyProcess], _ threads: Int
    ) throws {
        let first = nodes[0]
        let listed = try first.client.listKeys(in: name)
        let summary = try first.client.get(Path.namespace(name)).expecting(200).json
        let counted = summary["keys"]?.integerValue
        if counted != Int64(listed.count) {
            differences.append(
                "\(first.name)/\(name): counts \(counted ?? -1), lists \(listed.count)")
        }
        let values = try first.client.values(of: listed.map(\.key), in: name, threads: threads)
        for other in nodes.dropFirst() {
            let answer = try other.client.get(Path.namespace(name)).expecting(200).json
            compare(
                "\(name)", TestClient.replicated(summary), TestClient.replicated(answer), other)
            let otherListed = try other.client.listKeys(in: name)
            guard otherListed == listed else {
                differences.append(
                    "\(other.name)/\(name): \(KeyComparison.firstDifference(listed, otherListed))")
                continue
            }
            let otherValues = try other.client.values(
                of: listed.map(\.key), in: name, threads: threads)
            for (place, pair) in zip(values, otherValues).enumerated() where pair.0 != pair.1 {
                differences.append("\(other.name)/\(name)/\(listed[place].name): another value")
            }
            keysCompared += listed.count
        }
    }

    private mutating func compare<Value: Equatable>(
        _ what: String, _ expected: Value, _ found: Value, _ node: ConvoyProcess
    ) {
        if expected != found {
            differences.append("\(node.name): \(what) is \(found) instead of \(expected)")
        }
    }

    private static func firstDifference(_ a: [ListedKey], _ b: [ListedKey]) -> String {
        for (expected, found) in zip(a, b) where expected != found {
            return "lists \(found) instead of \(expected)"
        }
        return "lists \(b.count) keys instead of \(a.count)"
    }

    /// Blocks until all say the same position.
    @discardableResult
    public static func waitForOnePosition(
        _ nodes: [ConvoyProcess], within time: Duration = .seconds(40)
    ) throws -> PositionView {
        guard let position = try viewsAtOnePosition(nodes, within: time).first?.position else {
            throw ClusterFailure("no nodes, or no position")
        }
        return position
    }

    /// What each node said of itself when all were at one position.
    private static func viewsAtOnePosition(
        _ nodes: [ConvoyProcess], within time: Duration
    ) throws -> [NodeView] {
        let deadline = MonotonicTime.now() + time
        while true {
            let views = try nodes.map { try $0.client.node() }
            if let first = views.first?.position, views.allSatisfy({ $0.position == first }) {
                return views
            }

            guard MonotonicTime.now() < deadline else {
                let told = zip(nodes, views).map { node, view in
                    "\(node.name) \(view.state ?? "?") at \(view.position.map { "\($0)" } ?? "?") \(view.lastError ?? "")"
                }
                throw ClusterFailure("not at one position within \(time): \(told)")
            }
            rest(.milliseconds(20))
        }
    }
}

/// A key as a list shows it.
public struct ListedKey: Equatable, Sendable, CustomStringConvertible {
    public let key: [UInt8]
    public let bytes: Int64
    public let etag: String

    public var name: String { String(decoding: key, as: UTF8.self) }
    public var description: String { "\(name) (\(bytes) bytes, \(etag))" }

    public init(_ json: JSONValue) throws(ClusterFailure) {
        let key = json["key"]?.stringValue.map { Array($0.utf8) }
        guard let key = key ?? json["key_base64"]?.stringValue.flatMap(Base64.decode),
            let bytes = json["bytes"]?.integerValue, let etag = json["etag"]?.stringValue
        else { throw ClusterFailure("not an item of a list of keys: \(json)") }
        self.key = key
        self.bytes = bytes
        self.etag = etag
    }
}
