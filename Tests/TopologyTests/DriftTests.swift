import Log
import Platform
import Testing
import Topology

@Suite struct DriftTests {
    private let version = TopologyVersion(
        reign: Reign(term: 3, holder: NodeNumber(rawValue: 1)), generation: Generation(12))

    private func primary() -> NodeObservation {
        NodeObservation(
            number: number(1), isReachable: true, isSameLineage: true, role: .primary,
            state: .serving, version: version, observedAt: note.at)
    }

    private func replica(
        _ node: UInt16, _ upstream: UInt16?, _ state: RunningState = .streaming
    ) -> NodeObservation {
        NodeObservation(
            number: number(node), isReachable: true, isSameLineage: true, role: .replica,
            state: state, upstream: upstream.map(number), version: version, catalogAgrees: true,
            observedAt: note.at)
    }

    private func kinds(
        _ document: TopologyDocument, _ observations: [NodeObservation],
        links: [LinkObservation] = []
    ) -> [String] {
        document.drift(observations: observations, links: links).map {
            "\($0.node) \($0.kind.rawValue)"
        }
    }

    private func link(_ source: UInt16, _ replica: UInt16) -> LinkObservation {
        LinkObservation(source: number(source), replica: number(replica))
    }

    @Test func `nothing differs when all runs as configured`() throws {
        let document = try document([2: 1, 3: 2])
        #expect(
            kinds(
                document, [primary(), replica(2, 1), replica(3, 2, .fullSync)],
                links: [link(1, 2)]) == [])
    }

    @Test func `of a node that was not looked at since the document is known nothing is said`()
        throws
    {
        let document = try document([2: 1])
        var old = replica(2, nil, .backoff)
        old.version = TopologyVersion(reign: version.reign, generation: Generation(11))
        func kinds(unseen: Set<NodeNumber>) -> [String] {
            document.drift(observations: [primary(), old], links: [], unseen: unseen)
                .map(\.kind.rawValue)
        }
        #expect(kinds(unseen: []).contains("missing-link"))
        #expect(kinds(unseen: [number(2)]) == [])
    }

    @Test func `a link that is not configured is an orphan, whoever runs it`() throws {
        let document = try document([2: 1])
        #expect(
            kinds(document, [primary(), replica(2, 1)], links: [link(1, 3), link(2, 1)])
                == ["n1 orphan-link", "#3 orphan-link"])
    }

    @Test func `a replica that has no session misses its link`() throws {
        let document = try document([2: 1])
        #expect(kinds(document, [primary(), replica(2, 1, .backoff)]) == ["n2 missing-link"])
        #expect(
            kinds(document, [primary(), replica(2, 1, .connecting)], links: [link(1, 2)]) == [])
    }

    @Test func `a replica under another node has the wrong upstream`() throws {
        let document = try document([2: 1, 3: 1])
        #expect(
            kinds(document, [primary(), replica(2, 1), replica(3, 2)])
                == ["n3 orphan-link", "n3 wrong-upstream"])
    }

    @Test func `roles are compared`() throws {
        let document = try document([2: 1], others: [3])
        var undecided = primary()
        undecided.role = .undecided
        #expect(
            kinds(document, [undecided, replica(2, 1, .fenced), replica(3, nil, .backoff)])
                == ["n1 role-differs", "n2 missing-link", "n2 role-differs", "n3 role-differs"])
        #expect(kinds(document, [primary(), replica(2, 1), replica(3, nil, .detached)]) == [])
    }

    @Test func `a node that knows an older document is behind`() throws {
        let document = try document([2: 1])
        var old = replica(2, 1)
        old.version?.generation = Generation(11)
        #expect(kinds(document, [primary(), old]) == ["n2 generation-behind"])
        old.version = TopologyVersion(
            reign: Reign(term: 2, holder: number(2)), generation: Generation(40))
        #expect(kinds(document, [primary(), old]) == ["n2 generation-behind"])
    }

    @Test func `a node outside the document that does not know it is unknown`() throws {
        let document = try document([2: 1])
        let known = [primary(), replica(2, 1)]
        var outsider = replica(3, 1)
        outsider.name = NodeName("n3")
        #expect(kinds(document, known + [outsider]) == ["n3 node-unknown", "n3 orphan-link"])
        outsider.state = .detached
        #expect(kinds(document, known + [outsider]) == [])
    }

    @Test func `a node of another cluster is unknown, and its roles are no matter`() throws {
        let document = try document([2: 1])
        var foreign = replica(2, 7)
        foreign.isSameLineage = false
        foreign.role = .primary
        foreign.upstream = nil
        #expect(kinds(document, [primary(), foreign]) == ["n2 missing-link", "n2 node-unknown"])
    }

    @Test func `a node that is not seen is unreachable, and its link counts at the other end`()
        throws
    {
        let document = try document([2: 1], others: [3])
        #expect(kinds(document, [primary()], links: [link(1, 2)]) == ["n2 node-unreachable"])
        var silent = replica(2, 1)
        silent.isReachable = false
        #expect(
            kinds(document, [primary(), silent]) == ["n2 missing-link", "n2 node-unreachable"])
    }

    @Test func `a catalog that differs is told`() throws {
        var differing = replica(2, 1)
        differing.catalogAgrees = false
        #expect(kinds(try document([2: 1]), [primary(), differing]) == ["n2 catalog-differs"])
        // Who cannot reach it has it from its upstream.
        differing.isReachable = false
        #expect(
            kinds(try document([2: 1]), [primary(), differing], links: [link(1, 2)])
                == ["n2 catalog-differs", "n2 node-unreachable"])
    }

    @Test func `a difference stays the same while its detail changes`() throws {
        let document = try document([2: 1])
        func item(_ state: RunningState) throws -> DriftItem {
            try #require(
                document.drift(observations: [primary(), replica(2, 1, state)], links: []).first)
        }
        let (before, after) = (try item(.backoff), try item(.connecting))
        #expect(before.detail != after.detail)
        #expect(before.identity == after.identity)
    }
}
