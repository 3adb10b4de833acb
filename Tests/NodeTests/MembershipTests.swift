import Log
import Testing
import Topology

@testable import Node

@Suite struct MembershipTests {
    private let old = Lineage.random()
    private let new = Lineage.random()
    private let lower: TopologyDocument
    private let higher: TopologyDocument

    init() throws {
        lower = try topology(replicas: 1, generation: 7)
        higher = try topology(replicas: 1, generation: 8)
    }

    private func facts(
        _ lineage: Lineage?, told: TopologyDocument? = nil, forking: Lineage? = nil
    ) throws -> NodeFacts {
        var facts = NodeFacts(name: try #require(NodeName("n1")), bootID: "b")
        facts.lineage = lineage
        facts.document = told
        facts.forking = forking
        return facts
    }

    @Test func `the newer of the told and the applied document counts`() throws {
        #expect(Membership(try facts(old, told: higher), (old, lower)).document == higher)
        #expect(Membership(try facts(old, told: lower), (old, higher)).document == higher)
        #expect(Membership(try facts(old, told: lower), nil).document == lower)
        #expect(Membership(try facts(old), (old, lower)).document == lower)
    }

    @Test func `a fork is shown with its own lineage as soon as its entry is applied`() throws {
        let before = Membership(try facts(old, told: lower, forking: new), (old, lower))
        #expect(before.lineage == old)
        let after = Membership(try facts(old, told: higher, forking: new), (new, lower))
        #expect(after.lineage == new)
        #expect(after.document == lower)
    }

    @Test func `the state that an adoption leaves behind says nothing`() throws {
        let adopted = Membership(try facts(new, told: lower), (old, higher))
        #expect(adopted.lineage == new)
        #expect(adopted.document == lower)
    }
}
