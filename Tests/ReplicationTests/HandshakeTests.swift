import Log
import Platform
import Replication
import Testing
import Topology

/// What a source answers, sentence by sentence of DESIGN section 5 and 6.
@Suite struct HandshakeTests {
    static let lineage = Lineage(id: Hash128(high: 1, low: 2))
    static let one = NodeNumber(rawValue: 1)
    static let two = NodeNumber(rawValue: 2)
    static let three = NodeNumber(rawValue: 3)

    static func reign(_ term: UInt32) -> Reign { Reign(term: term, holder: one) }

    /// n1 is primary in reign 3; n2 follows n1, n3 follows n2.
    static func document() throws -> TopologyDocument {
        let nodes = try [1, 2, 3].map { number in
            NodeRecord(
                number: NodeNumber(rawValue: UInt16(number)),
                name: try #require(NodeName("n\(number)")),
                address: try #require(NodeAddress("http://127.0.0.1:\(number)")))
        }
        return try #require(
            TopologyDocument(
                generation: Generation(4), reign: reign(3),
                replicas: [
                    ReplicaSpec(node: two, upstream: one), ReplicaSpec(node: three, upstream: two),
                ], minInSyncReplicas: 0, nodes: nodes,
                note: ChangeNote(at: UnixMilliseconds(rawValue: 1), by: "test")))
    }

    static func facts(isServing: Bool = true) throws -> SourceFacts {
        SourceFacts(
            identity: PeerIdentity(
                lineage: lineage, number: one, name: "n1", reign: reign(3),
                generation: Generation(4)),
            topology: try document(), isServing: isServing, lastReign: reign(3),
            first: LogIndex(50), last: Position(index: LogIndex(100), hash: .zero),
            reigns: ReignTable([.init(reign: reign(3), first: LogIndex(90))]))
    }

    static func request(
        lineage: Lineage? = lineage, number: NodeNumber? = two, name: String = "n2",
        reign: Reign? = nil, lastReign: Reign? = nil, index: UInt64 = 95
    ) -> FeedRequest {
        FeedRequest(
            peer: PeerIdentity(
                lineage: lineage, number: number, name: name, reign: reign ?? Self.reign(3),
                generation: Generation(4), session: "s"),
            after: Position(index: LogIndex(index), hash: .zero),
            lastReign: lastReign ?? Self.reign(3),
            remoteAddress: "")
    }

    static func answer(_ request: FeedRequest, _ history: HistoryCheck = .same) throws -> String? {
        try Handshake.decide(request, facts(), history).map { "\($0.status) \($0.code)" }
    }

    @Test func `the same history, asked for by a replica of this node: stream`() throws {
        #expect(try Self.answer(Self.request()) == nil)
    }

    @Test func `a node that does not serve feeds nobody, whoever asks`() throws {
        let refusal = Handshake.decide(Self.request(), try Self.facts(isServing: false), .same)
        #expect(refusal?.status == 421)
        #expect(refusal?.code == "not-serving")
    }

    @Test func `another lineage is another cluster, and none at all too`() throws {
        let other = Lineage(id: Hash128(high: 9, low: 9))
        #expect(try Self.answer(Self.request(lineage: other)) == "403 other-cluster")
        #expect(try Self.answer(Self.request(lineage: nil)) == "403 other-cluster")
    }

    @Test func `a primary refuses nodes outside its topology, and those of another upstream`()
        throws
    {
        let unknown = NodeNumber(rawValue: 7)
        #expect(try Self.answer(Self.request(number: unknown)) == "403 not-in-topology")
        #expect(try Self.answer(Self.request(number: nil)) == "403 not-in-topology")
        #expect(
            try Self.answer(Self.request(number: Self.three, name: "n3")) == "403 not-in-topology")
        #expect(try Self.answer(Self.request(name: "n9")) == "403 not-in-topology")
    }

    @Test func `who is refused for the topology gets the document, with reign and generation`()
        throws
    {
        let refusal = Handshake.decide(
            Self.request(number: NodeNumber(rawValue: 7)), try Self.facts(), .same)
        let body = try #require(refusal).problem
        let word = try #require(PeerVersion(json: body))
        #expect(word.document == (try Self.document()))
        #expect(word.lineage == Self.lineage)
        #expect(word.version == (try Self.document()).version)
    }

    @Test func `no longer retained: 410`() throws {
        #expect(
            try Self.answer(Self.request(index: 5), .notRetained) == "410 position-not-retained")
    }

    @Test func `unequal, and this history is of a higher reign: diverged`() throws {
        let request = Self.request(lastReign: Self.reign(2))
        let here = Position(index: LogIndex(95), hash: .zero)
        #expect(try Self.answer(request, .differs(at: here)) == "409 history-diverged")
        #expect(try Self.answer(request, .ahead) == "409 history-diverged")
    }

    @Test func `nobody is synced to a lower position in the same reign`() throws {
        #expect(try Self.answer(Self.request(index: 120), .ahead) == "409 upstream-behind")
    }

    @Test func `two hashes at one index inside one reign are damage`() throws {
        let here = Position(index: LogIndex(95), hash: .zero)
        #expect(try Self.answer(Self.request(), .differs(at: here)) == "409 history-damaged")
    }

    @Test func `a history of a lower reign declares nothing`() throws {
        let request = Self.request(lastReign: Self.reign(4))
        let here = Position(index: LogIndex(95), hash: .zero)
        #expect(try Self.answer(request, .differs(at: here)) == "409 upstream-behind")
        #expect(try Self.answer(request, .ahead) == "409 upstream-behind")
    }

    @Test func `who knows a higher reign is not fed by a lower one`() throws {
        #expect(try Self.answer(Self.request(reign: Self.reign(4))) == "409 upstream-behind")
    }

    @Test func `a refusal for the history says where this one stands`() throws {
        let refusal = Handshake.decide(
            Self.request(lastReign: Self.reign(2)), try Self.facts(), .ahead)
        let body = try #require(refusal).problem
        let hints = try #require(HistoryHints(json: body))
        #expect(hints.lastReign == Self.reign(3))
        #expect(hints.last.index == LogIndex(100))
    }

    // MARK: - Where two histories part

    static func table(_ starts: (UInt32, UInt16, UInt64)...) -> ReignTable {
        ReignTable(
            starts.map {
                .init(
                    reign: Reign(term: $0.0, holder: NodeNumber(rawValue: $0.1)),
                    first: LogIndex($0.2))
            })
    }

    @Test func `a tail that only the old primary has begins behind the new reign's base`() {
        let old = Self.table((1, 1, 1))
        let new = Self.table((1, 1, 1), (2, 2, 101))
        #expect(old.fork(last: LogIndex(104), with: new, otherLast: LogIndex(300)) == LogIndex(100))
    }

    @Test func `two reigns after the same one part where the earlier of them begins`() {
        let left = Self.table((1, 1, 1), (2, 1, 51))
        let right = Self.table((1, 1, 1), (3, 2, 41))
        #expect(left.fork(last: LogIndex(60), with: right, otherLast: LogIndex(70)) == LogIndex(40))
        #expect(right.fork(last: LogIndex(70), with: left, otherLast: LogIndex(60)) == LogIndex(40))
    }

    @Test func `a history that ends inside a shared reign parts at its end`() {
        let table = Self.table((1, 1, 1))
        #expect(
            table.fork(last: LogIndex(60), with: table, otherLast: LogIndex(70)) == LogIndex(60))
    }

    @Test func `without a shared reign nothing is common`() {
        let left = Self.table((1, 1, 1))
        let right = Self.table((1, 2, 1))
        #expect(left.fork(last: LogIndex(9), with: right, otherLast: LogIndex(9)) == .zero)
        #expect(left.fork(last: LogIndex(9), with: ReignTable([]), otherLast: LogIndex(9)) == .zero)
    }

    @Test(arguments: UInt64(0)..<200)
    func `the fork of two random histories is where they were made to part`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var shared: [ReignTable.Start] = []
        var term: UInt32 = 0
        var index: UInt64 = 0
        func extend(_ starts: inout [ReignTable.Start], _ holder: UInt16) -> LogIndex {
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                term += 1
                let reign = Reign(term: term, holder: NodeNumber(rawValue: holder))
                starts.append(.init(reign: reign, first: LogIndex(index + 1)))
                index += UInt64.random(in: 1...20, using: &generator)
            }
            return LogIndex(index)
        }
        let fork = extend(&shared, 1)
        var left = shared
        var right = shared
        let leftLast = extend(&left, 2)
        index = fork.rawValue
        let rightLast = extend(&right, 3)
        let found = ReignTable(left).fork(
            last: leftLast, with: ReignTable(right), otherLast: rightLast)
        #expect(found == fork)
    }
}
