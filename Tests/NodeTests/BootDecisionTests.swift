import Log
import Testing
import Topology

@testable import Node

@Suite struct BootDecisionTests {
    private let own: TopologyDocument

    /// n1 is the primary, n2 and n3 follow it.
    init() throws {
        own = try topology(replicas: 2)
    }

    private func decision(
        _ peers: [BootDecision.Peer?], in document: TopologyDocument? = nil,
        isComplete: Bool = true, waited: Duration = .zero
    ) -> BootDecision.Action {
        var byNumber: [NodeNumber: BootDecision.Peer?] = [:]
        for (place, peer) in peers.enumerated() {
            byNumber[NodeNumber(rawValue: UInt16(place) + 2)] = .some(peer)
        }
        return BootDecision(
            document: document ?? own, peers: byNumber, isComplete: isComplete, waited: waited,
            recoverTimeout: .seconds(10)
        ).action()
    }

    private func peer(
        version: TopologyVersion? = nil, isSameLineage: Bool = true, isReachable: Bool = true
    ) -> BootDecision.Peer {
        BootDecision.Peer(
            version: version ?? own.version, isSameLineage: isSameLineage, extent: .none,
            isReachable: isReachable)
    }

    @Test func `a cluster of one bids at once`() throws {
        #expect(
            decision([], in: try topology(replicas: 0)) == .bid(unconfirmed: false))
    }

    @Test func `it bids once every peer has answered`() {
        #expect(decision([peer(), nil]) == .wait)
        #expect(decision([peer(), peer()]) == .bid(unconfirmed: false))
    }

    @Test func `nobody bids beside a newer document`() {
        var newer = own.version
        newer.generation = newer.generation.next
        #expect(decision([nil, peer(version: newer)]) == .follow(NodeNumber(rawValue: 3)))
        newer.generation = Generation(1)
        newer.reign = Reign(term: 4, holder: NodeNumber(rawValue: 2))
        #expect(decision([peer(version: newer)]) == .follow(NodeNumber(rawValue: 2)))
    }

    @Test func `of several peers with the newest document the first is named`() {
        var newer = own.version
        newer.generation = newer.generation.next
        for _ in 0..<20 {
            #expect(
                decision([peer(version: newer), peer(version: newer)])
                    == .follow(NodeNumber(rawValue: 2)))
        }
    }

    @Test func `what a node of another cluster says counts for nothing`() {
        var newer = own.version
        newer.generation = Generation(99)
        let stranger = peer(version: newer, isSameLineage: false)
        #expect(decision([stranger, peer()]) == .bid(unconfirmed: false))
    }

    @Test func `silence is waited out, longer when entries may be missing`() {
        #expect(decision([nil, nil], waited: .milliseconds(900)) == .wait)
        #expect(decision([nil, nil], waited: .seconds(1)) == .bid(unconfirmed: false))
        #expect(decision([nil, nil], isComplete: false, waited: .seconds(9)) == .wait)
        #expect(
            decision([nil, nil], isComplete: false, waited: .seconds(10))
                == .bid(unconfirmed: true))
    }

    /// Another node may have acknowledged entries in a reign that this one has not heard of.
    @Test func `where writes wait for replicas nobody bids without enough of them`() throws {
        let strict = try topology(replicas: 2, minInSyncReplicas: 1)
        #expect(decision([nil, nil], in: strict, waited: .seconds(600)) == .wait)
        #expect(
            decision([peer(isReachable: false), nil], in: strict, waited: .seconds(600)) == .wait)
        #expect(decision([peer(), nil], in: strict, waited: .zero) == .wait)
        #expect(
            decision([peer(), nil], in: strict, waited: .seconds(1)) == .bid(unconfirmed: false))
    }
}
