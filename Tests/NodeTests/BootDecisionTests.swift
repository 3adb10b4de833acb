import Log
import Testing
import Topology

@testable import Node

@Suite struct BootDecisionTests {
    private let own = TopologyVersion(
        reign: Reign(term: 3, holder: NodeNumber(rawValue: 1)), generation: Generation(7))

    private func decision(
        _ peers: [BootDecision.Peer?], isComplete: Bool = true, waited: Duration = .zero
    ) -> BootDecision.Action {
        var byNumber: [NodeNumber: BootDecision.Peer?] = [:]
        for (place, peer) in peers.enumerated() {
            byNumber[NodeNumber(rawValue: UInt16(place) + 2)] = .some(peer)
        }
        return BootDecision(
            own: own, last: LogIndex(100), peers: byNumber, isComplete: isComplete, waited: waited,
            recoverTimeout: .seconds(10)
        ).action()
    }

    private func peer(
        at index: UInt64 = 100, version: TopologyVersion? = nil, isSameLineage: Bool = true
    ) -> BootDecision.Peer {
        BootDecision.Peer(
            version: version ?? own, isSameLineage: isSameLineage, position: LogIndex(index))
    }

    @Test func `a cluster of one opens its reign at once`() {
        #expect(decision([]) == .openReign(unconfirmed: false))
    }

    @Test func `it opens its reign once every peer has answered`() {
        #expect(decision([peer(), nil]) == .wait)
        #expect(decision([peer(), peer(at: 90)]) == .openReign(unconfirmed: false))
    }

    @Test func `nobody opens a reign beside a newer document`() {
        var newer = own
        newer.generation = Generation(8)
        #expect(decision([nil, peer(version: newer)]) == .follow(NodeNumber(rawValue: 3)))
        newer.generation = Generation(1)
        newer.reign = Reign(term: 4, holder: NodeNumber(rawValue: 2))
        #expect(decision([peer(version: newer)]) == .follow(NodeNumber(rawValue: 2)))
    }

    @Test func `a peer with more of this history is heard before a reign opens`() {
        #expect(decision([peer(at: 101)]) == .takeTail(from: NodeNumber(rawValue: 2)))
    }

    @Test func `what a node of another cluster says counts for nothing`() {
        var newer = own
        newer.generation = Generation(99)
        let stranger = peer(at: 500, version: newer, isSameLineage: false)
        #expect(decision([stranger]) == .openReign(unconfirmed: false))
    }

    @Test func `silence is waited out, longer when entries may be missing`() {
        #expect(decision([nil], waited: .milliseconds(900)) == .wait)
        #expect(decision([nil], waited: .seconds(1)) == .openReign(unconfirmed: false))
        #expect(decision([nil], isComplete: false, waited: .seconds(9)) == .wait)
        #expect(
            decision([nil], isComplete: false, waited: .seconds(10))
                == .openReign(unconfirmed: true))
    }
}
