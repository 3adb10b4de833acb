public import JSON
public import Log
import Platform
public import Topology

/// An answer of a peer that refuses: the problem document, and what its code adds.
public struct PeerProblem: Equatable, Sendable {
    public var status: Int
    public var code: String
    public var detail: String
    public var body: JSONValue

    public init(status: Int, code: String, detail: String, body: JSONValue) {
        self.status = status
        self.code = code
        self.detail = detail
        self.body = body
    }

    /// Reads what came with `status`; a body that is no problem document gets the code `http-<status>`.
    public init(status: Int, bytes: [UInt8]) {
        let body = (try? JSONValue(parsing: bytes)) ?? .null  // Anything may answer on that port.
        self.init(
            status: status, code: body.text("code") ?? "http-\(status)",
            detail: body.text("detail") ?? "the peer answered \(status) without a problem document",
            body: body)
    }

    /// What the refusing node knows; nil when it does not say.
    public var word: PeerVersion? { PeerVersion(json: body) }
}

/// What a node knows of the topology, with the document when it was sent along.
public struct PeerVersion: Equatable, Sendable {
    public var lineage: Lineage
    public var version: TopologyVersion
    public var document: TopologyDocument?

    public init(lineage: Lineage, version: TopologyVersion, document: TopologyDocument?) {
        self.lineage = lineage
        self.version = version
        self.document = document
    }

    /// `lineage`, `reign`, `generation`, and `document` (its encoding, in hexadecimal digits).
    public var members: [(String, JSONValue)] {
        [
            ("lineage", .string(lineage.hex)),
            ("reign", .string("\(version.reign)")),
            ("generation", JSONValue(version.generation.rawValue)),
            ("document", .orNull(document.map { Hex.encode($0.encoded()) })),
        ]
    }

    public init?(json: JSONValue) {
        guard let lineage = json.lineage("lineage"), let reign = json.reign("reign"),
            let generation = json.generation("generation")
        else { return nil }
        self.init(
            lineage: lineage, version: TopologyVersion(reign: reign, generation: generation),
            document: json.text("document").flatMap(Hex.decode).flatMap {
                TopologyDocument(decoding: $0)
            })
    }
}

/// Where the reigns of a history began: what two nodes compare to find where they parted.
public struct ReignTable: Equatable, Sendable {
    /// Ascending by reign.
    public let starts: [Start]

    public struct Start: Equatable, Sendable {
        public var reign: Reign
        public var first: LogIndex

        public init(reign: Reign, first: LogIndex) {
            self.reign = reign
            self.first = first
        }
    }

    /// Sent at most: the newest.
    public static let startsMax = 256

    public init(_ starts: [Start]) { self.starts = starts.sorted { $0.reign < $1.reign } }

    /// The last index that both histories have in common; zero when none is known.
    ///
    /// A reign has one holder, who wrote one history: where both tables know it to begin at the same
    /// entry, both have the same entries up to where either of them leaves it.
    ///
    /// - Parameters:
    ///   - last: The last index of this history.
    ///   - other: The other's table.
    ///   - otherLast: The last index of the other history.
    /// - Returns: The fork; what follows it is only in one of them.
    public func fork(last: LogIndex, with other: ReignTable, otherLast: LogIndex) -> LogIndex {
        guard let shared = starts.last(where: { other.starts.contains($0) }) else { return .zero }
        return min(
            end(of: shared.reign, last: last), other.end(of: shared.reign, last: otherLast))
    }

    private func end(of reign: Reign, last: LogIndex) -> LogIndex {
        guard let next = starts.first(where: { $0.reign > reign }) else { return last }
        return min(last, LogIndex(next.first.rawValue - min(1, next.first.rawValue)))
    }

    public var json: JSONValue {
        .array(
            starts.suffix(ReignTable.startsMax).map {
                .object(["reign": .string("\($0.reign)"), "first_index": .index($0.first)])
            })
    }

    public init?(json: JSONValue) {
        guard let items = json.arrayValue, items.count <= ReignTable.startsMax else { return nil }
        var starts: [Start] = []
        for item in items {
            guard let reign = item.reign("reign"), let first = item.index("first_index") else {
                return nil
            }
            starts.append(Start(reign: reign, first: first))
        }
        self.init(starts)
    }
}
