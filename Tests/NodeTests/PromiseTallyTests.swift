import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct PromiseTallyTests {
    private let nodes: [NodeRecord]
    private let version: TopologyVersion

    init() throws {
        let document = try topology(replicas: 3)
        nodes = document.peers(of: NodeNumber(rawValue: 1))
        version = document.version
    }

    private func extent(_ index: UInt64, term: UInt32) -> HistoryExtent {
        HistoryExtent(
            reign: Reign(term: term, holder: NodeNumber(rawValue: 1)),
            position: Position(index: LogIndex(index), hash: .zero))
    }

    private func tally(_ answers: [PromiseTally.Answer]) -> PromiseTally {
        PromiseTally(
            own: extent(100, term: 3), answers: zip(nodes, answers).map { ($0, $1) })
    }

    @Test func `silence is no promise`() {
        let one = tally([.silent, .promised(extent(90, term: 3), version), .silent])
        #expect(one.count == 2)
        #expect(one.objection == nil)
        #expect(one.furthest == nil)
        #expect(one.hasPromised(nodes[1].number))
        #expect(!one.hasPromised(nodes[0].number))
    }

    @Test func `a longer log of a lower reign is not further than a shorter one of a higher`() {
        let one = tally([
            .promised(extent(500, term: 2), version), .promised(extent(101, term: 3), version),
            .promised(extent(50, term: 4), version),
        ])
        #expect(one.furthest == nodes[2])
        let longer = tally([.promised(extent(500, term: 2), version), .silent, .silent])
        #expect(longer.furthest == nil)
    }

    @Test func `of several that are as far the first is taken`() {
        let answer = PromiseTally.Answer.promised(extent(101, term: 3), version)
        #expect(tally([answer, answer, answer]).furthest == nodes[0])
    }

    @Test func `one node that knows a higher reign is enough to object`() {
        let one = tally([
            .promised(extent(90, term: 3), version), .contested(detail: "4.2"), .silent,
        ])
        #expect(one.objection == "n3: 4.2")
    }

    @Test func `a newer document of a promiser is seen`() {
        var newer = version
        newer.generation = newer.generation.next
        #expect(tally([.promised(extent(1, term: 3), newer)]).newer(than: version) == nodes[0])
        #expect(tally([.promised(extent(1, term: 3), version)]).newer(than: version) == nil)
    }
}
