import JSON
import Log
import Platform
import Replication
import Testing
import Topology

extension FeedRefusal {
    /// As the HTTP side writes it, and a peer reads it.
    var problem: JSONValue {
        .object(
            JSONObject(
                [("code", .string(code)), ("detail", .string(detail))]
                    + members.map { ($0.name, $0.value) }))
    }
}

@Suite struct WireTests {
    static func header(_ headers: [(String, String)]) -> (String) -> String? {
        { name in headers.first { $0.0.lowercased() == name.lowercased() }?.1 }
    }

    static func word<Word: FixedWidthInteger & UnsignedInteger>(
        _ generator: inout SplitMix64, _: Word.Type = Word.self
    ) -> Word { Word.random(in: Word.min...Word.max, using: &generator) }

    static func index(_ generator: inout SplitMix64) -> LogIndex {
        LogIndex(UInt64.random(in: 0..<(1 << 53), using: &generator))
    }

    static func hash(_ generator: inout SplitMix64) -> Hash128 {
        Hash128(high: generator.next(), low: generator.next())
    }

    @Test(arguments: UInt64(0)..<50)
    func `an identity comes back from its headers`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        func maybe<Value>(_ value: Value) -> Value? { Bool.random(using: &generator) ? value : nil }
        let identity = PeerIdentity(
            lineage: maybe(Lineage(id: Self.hash(&generator))),
            number: maybe(NodeNumber(rawValue: Self.word(&generator))), name: "n-\(seed)",
            reign: maybe(
                Reign(
                    term: Self.word(&generator),
                    holder: NodeNumber(rawValue: Self.word(&generator)))),
            generation: maybe(Generation(Self.word(&generator))), session: maybe("a-1\(seed)"))
        #expect(PeerIdentity(header: Self.header(identity.headers)) == identity)
    }

    @Test(arguments: [
        ("Convoy-Lineage", "xyz"), ("Convoy-Node", "-1"), ("Convoy-Node", "65536"),
        ("Convoy-Reign", "1"), ("Convoy-Reign", "1.2.3"), ("Convoy-Reign", "+1.2"),
        ("Convoy-Generation", ""), ("Convoy-Session", "a/b"), ("Convoy-Session", ""),
        ("Convoy-Node-Name", "self"), ("Convoy-Node-Name", "A"),
    ])
    func `a header that cannot be read makes no identity`(name: String, value: String) {
        let headers =
            [(name, value)] + (name == "Convoy-Node-Name" ? [] : [("Convoy-Node-Name", "n1")])
        #expect(PeerIdentity(header: Self.header(headers)) == nil)
    }

    static func manifest(_ generator: inout SplitMix64) -> SnapshotManifest {
        SnapshotManifest(
            id: "0123456789abcdef",
            position: Position(index: index(&generator), hash: hash(&generator)),
            lineage: Lineage(id: hash(&generator)),
            files: (0..<Int.random(in: 0...20, using: &generator)).map {
                .init(
                    name: "00000\($0).sst", size: UInt64.random(in: 0...1 << 40, using: &generator),
                    hash: hash(&generator))
            })
    }

    static func report(_ generator: inout SplitMix64) -> AckReport {
        AckReport(
            node: NodeNumber(rawValue: word(&generator)), session: "s-1",
            applied: Position(index: index(&generator), hash: hash(&generator)),
            received: index(&generator), durable: index(&generator), state: "streaming",
            catalogDigest: hash(&generator), catalogIndex: index(&generator),
            generation: Generation(index(&generator).rawValue),
            diskFreeBytes: index(&generator).rawValue,
            followers: (0..<Int.random(in: 0...5, using: &generator)).map { _ in
                .init(
                    node: NodeNumber(rawValue: word(&generator)), applied: index(&generator),
                    durable: index(&generator))
            })
    }

    @Test(arguments: UInt64(0)..<50)
    func `documents come back from their bytes`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let manifest = Self.manifest(&generator)
        let report = Self.report(&generator)
        let table = ReignTable([
            .init(reign: Reign(term: 1, holder: NodeNumber(rawValue: 2)), first: LogIndex(3))
        ])
        #expect(
            SnapshotManifest(json: try JSONValue(parsing: manifest.json.serialized())) == manifest)
        #expect(AckReport(json: try JSONValue(parsing: report.json.serialized())) == report)
        #expect(ReignTable(json: try JSONValue(parsing: table.json.serialized())) == table)
    }

    @Test(arguments: ["..", "a/b", "", ".hidden", "a%2Fb", "a?b", "a b", "é"])
    func `a manifest cannot name anything but plain files`(name: String) {
        var generator = SplitMix64(seed: 1)
        var json = Self.manifest(&generator).json
        if case .object(var object) = json {
            object["files"] = [
                ["name": .string(name), "size": 1, "hash": .string(Hash128.zero.hex)]
            ]
            json = .object(object)
        }
        #expect(SnapshotManifest(json: json) == nil)
    }

    @Test func `a manifest cannot name a file twice, nor more bytes than there are`() {
        let file: JSONValue = ["name": "a", "size": 1, "hash": .string(Hash128.zero.hex)]
        func manifest(_ files: [JSONValue]) -> SnapshotManifest? {
            SnapshotManifest(
                json: [
                    "id": "a", "position": ["index": 1, "hash": .string(Hash128.zero.hex)],
                    "lineage": .string(Hash128.zero.hex), "files": .array(files),
                ])
        }
        #expect(manifest([file]) != nil)
        #expect(manifest([file, file]) == nil)
        #expect(manifest([["name": "b", "size": -1, "hash": .string(Hash128.zero.hex)]]) == nil)
        let huge = (0..<3).map { number -> JSONValue in
            [
                "name": .string("f\(number)"), "size": .integer(.max),
                "hash": .string(Hash128.zero.hex),
            ]
        }
        #expect(manifest(huge) == nil)
    }

    /// Removes or replaces members at random, at any depth.
    static func damaged(_ value: JSONValue, _ generator: inout SplitMix64) -> JSONValue {
        if Int.random(in: 0..<12, using: &generator) == 0 {
            return [.null, "x", -1, 1.5, [], .object([:]), .integer(.max)]
                .randomElement(using: &generator) ?? .null
        }
        switch value {
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.filter { _ in Int.random(in: 0..<15, using: &generator) > 0 }
                        .map { ($0.name, damaged($0.value, &generator)) }))
        case .array(let items): return .array(items.map { damaged($0, &generator) })
        case .null, .bool, .integer, .number, .string: return value
        }
    }

    @Test(arguments: UInt64(0)..<500)
    func `damaged documents and random bytes are refused or read, never a trap`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let manifest = Self.damaged(Self.manifest(&generator).json, &generator)
        let report = Self.damaged(Self.report(&generator).json, &generator)
        if let read = SnapshotManifest(json: manifest) {
            #expect(SnapshotManifest(json: read.json) == read)
        }
        if let read = AckReport(json: report) { #expect(AckReport(json: read.json) == read) }
        let bytes = noise(Int.random(in: 0..<200, using: &generator), seed: seed)
        let problem = PeerProblem(status: 500, bytes: bytes)
        #expect(problem.code == "http-500")
        #expect(problem.word == nil)
        _ = DivergedTail.read(bytes)
    }

    @Test func `a problem keeps what its code adds`() {
        let refusal = FeedRefusal(410, "position-not-retained", "gone", [("first_index", 7)])
        let problem = PeerProblem(status: 410, bytes: refusal.problem.serialized())
        #expect(problem.code == "position-not-retained")
        #expect(problem.detail == "gone")
        #expect(problem.body["first_index"] == 7)
    }
}
