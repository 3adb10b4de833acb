import Log
import Platform
import Testing
import Topology

@Suite struct TopologyPlanTests {
    private let facts = PlanningFacts(
        now: UnixMilliseconds(rawValue: 10_000), lastIndex: LogIndex(500),
        firstIndex: LogIndex(100), dataBytes: 200_000_000)

    private func seen(
        _ node: UInt16, _ state: RunningState = .streaming, applied: UInt64 = 500,
        reachable: Bool = true, at: UInt64 = 9_500, freeBytes: UInt64? = nil
    ) -> NodeObservation {
        NodeObservation(
            number: number(node), isReachable: reachable, isSameLineage: true, role: .replica,
            state: state, applied: LogIndex(applied), freeBytes: freeBytes,
            observedAt: UnixMilliseconds(rawValue: at))
    }

    private func risks(_ plan: TopologyPlan) -> [String] {
        plan.risks.map { "\($0.node?.rawValue ?? "-") \($0.code.rawValue)" }
    }

    private func steps(_ plan: TopologyPlan) -> [String] {
        plan.steps.map { "\($0.node?.rawValue ?? "-") \($0.code.rawValue)" }
    }

    @Test func `the same content plans nothing`() throws {
        let current = try document([2: 1])
        let plan = current.plan(
            for: current.updating(number(2), note: note), observations: [], facts: facts)
        #expect(plan.isNoOp)
    }

    @Test func `faults block`() throws {
        let current = try document([2: 1])
        let plan = current.plan(
            for: current.removing(number(1), note: note), observations: [], facts: facts)
        #expect(plan.blockers.map(\.code) == [.invalid])
        #expect(!plan.isNoOp)
    }

    @Test func `a new node needs a full sync, with its size and time`() throws {
        let current = try document([2: 1])
        let next = try current.addingReplica(
            try #require(NodeName("x")), at: try #require(NodeAddress("http://x:1")),
            number: number(3), upstream: number(2), note: note
        ).changed()
        let observations = [seen(2, .backoff), seen(3, .detached, freeBytes: 5)]
        let plan = current.plan(for: next, observations: observations, facts: facts)
        #expect(steps(plan) == ["- append-topology", "x add-node", "x start-link"])
        #expect(
            risks(plan) == ["x full-sync-required", "x disk-space", "x upstream-not-streaming"])
        let evidence = try #require(plan.risks.first).evidence
        #expect(evidence.map(\.name) == ["data_bytes", "sync_seconds"])
        #expect(evidence.map(\.value) == [200_000_000, 2])
        #expect(evidence.map(\.isMeasured) == [true, false])
    }

    @Test func `removing the last replica leaves one copy`() throws {
        let current = try document([2: 1])
        let next = try current.removing(number(2), note: note).changed()
        let plan = current.plan(
            for: next, observations: [seen(2, reachable: false)], facts: facts)
        #expect(steps(plan) == ["- append-topology", "n2 end-link", "n2 remove-node"])
        #expect(risks(plan) == ["n2 node-unreachable", "- reduced-redundancy"])
        #expect(plan.blockers == [])
    }

    @Test func `children of a removed node restart their links`() throws {
        let current = try document([2: 1, 3: 2])
        let next = try current.removing(number(2), note: note).changed()
        let plan = current.plan(
            for: next, observations: [seen(2), seen(3, applied: 490)], facts: facts)
        #expect(steps(plan).contains("n3 move-link"))
        #expect(risks(plan) == ["n3 link-restarts", "- reduced-redundancy"])
        #expect(plan.risks.first?.evidence.map(\.value) == [490, 10])
    }

    @Test func `a node whose entries are gone needs a full sync`() throws {
        let current = try document([2: 1, 3: 1])
        let next = try current.updating(number(3), upstream: number(2), note: note).changed()
        let plan = current.plan(
            for: next, observations: [seen(2), seen(3, applied: 98)], facts: facts)
        #expect(risks(plan) == ["n3 full-sync-required"])
    }

    @Test func `an upstream that is behind, and an old observation, are told`() throws {
        let current = try document([2: 1, 3: 1])
        let next = try current.updating(number(3), upstream: number(2), note: note).changed()
        let plan = current.plan(
            for: next, observations: [seen(2, applied: 400, at: 1_000), seen(3)], facts: facts)
        #expect(
            risks(plan) == [
                "n3 link-restarts", "n3 upstream-not-streaming", "n2 stale-observation",
            ])
    }

    @Test func `writes that would wait are told`() throws {
        let current = try document([2: 1, 3: 1])
        var request = TopologyRequest(current)
        request.minInSyncReplicas = 2
        let change = current.applying(request, nextNumber: number(4), note: note)
        let plan = current.plan(
            for: change, observations: [seen(2), seen(3, .backoff)], facts: facts)
        #expect(steps(plan) == ["- append-topology", "- set-min-in-sync"])
        #expect(risks(plan) == ["- writes-wait"])
        #expect(
            current.plan(for: change, observations: [seen(2), seen(3)], facts: facts).risks == [])
    }

    @Test func `a primary moves only to a node that can take over`() throws {
        let current = try document([2: 1])
        let next = try current.movingPrimary(
            to: number(2), reign: Reign(term: 4, holder: number(2)), note: note
        ).changed()
        func plan(_ observations: [NodeObservation]) -> TopologyPlan {
            current.plan(for: next, observations: observations, facts: facts)
        }
        #expect(plan([]).blockers.map(\.code) == [.nodeUnreachable])
        #expect(plan([seen(2, .fullSync)]).blockers.map(\.code) == [.candidateInFullSync])
        #expect(plan([seen(2, .fenced)]).blockers.map(\.code) == [.candidateNotFollowing])
        let late = plan([seen(2, applied: 480)])
        #expect(late.blockers == [])
        #expect(late.risks.first { $0.code == .dataLoss }?.evidence.map(\.value) == [20])
    }
}
