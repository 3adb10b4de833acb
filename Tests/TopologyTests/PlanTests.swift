import Log
import Platform
import Testing
import Topology

@Suite struct ChangePlanTests {
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

    private func risks(_ plan: ChangePlan) -> [String] {
        plan.risks.map { "\($0.node?.rawValue ?? "-") \($0.code.rawValue)" }
    }

    private func steps(_ plan: ChangePlan) -> [String] {
        plan.steps.map { "\($0.node?.rawValue ?? "-") \($0.code.rawValue)" }
    }

    @Test func `the same content plans nothing`() throws {
        let current = try document([2: 1])
        let plan = current.plan(
            for: current.updating(number(2), note: note), observations: [], facts: facts)
        #expect(plan.isNoOp)
    }

    @Test func `what ends a claim is one generation more and nothing else`() throws {
        let current = try document([2: 1])
        let change = current.updating(number(2), upstream: number(1), endsClaim: true, note: note)
        let next = try change.changed()
        #expect(next.generation == current.generation.next)
        #expect(next.hasSameContent(as: current))
        #expect(
            steps(current.plan(for: change, observations: [], facts: facts))
                == ["- append-topology"])
        #expect(
            current.updating(number(2), upstream: number(1), note: note) == .success(.unchanged))
    }

    @Test func `a node that comes back with this history goes on from where it stands`() throws {
        let current = try document([2: 1])
        let next = try current.addingReplica(
            try #require(NodeName("x")), at: try #require(NodeAddress("http://x:1")),
            number: number(3), upstream: number(1), note: note
        ).changed()
        func plan(_ history: ComparedHistory?) -> ChangePlan {
            var back = seen(3, .detached)
            back.history = history
            return current.plan(for: next, observations: [back], facts: facts)
        }
        #expect(steps(plan(.shared)) == ["- append-topology", "x add-node", "x start-link"])
        #expect(risks(plan(.shared)) == ["x link-restarts"])
        let reasons: [(ComparedHistory?, String)] = [
            (.absent, "(empty)"), (.notRetained, "(position-not-retained)"),
            (.differs, "(history-diverged)"), (nil, "not looked at"),
        ]
        for (history, reason) in reasons {
            let risk = try #require(plan(history).risks.first)
            #expect(risk.code == .fullSyncRequired && risk.detail.contains(reason), "\(risk)")
        }
    }

    @Test func `a failover beside a primary that answers is warned of before all else`() throws {
        let current = try document([2: 1, 3: 1])
        let next = try current.movingPrimary(
            to: number(2), reign: Reign(term: 99, holder: number(2)), note: note
        ).changed()
        let names = try [1, 2, 3].map { try #require(current.node(numbered: number($0))).name }
        let outlook = FailoverOutlook(
            promisers: [names[1], names[0]], promisesNeeded: 3, silent: [names[2]],
            loss: PossibleLoss(entries: nil, bytes: nil, unheardSeconds: nil))
        let observations = [seen(1), seen(2), seen(3, reachable: false)]
        let plan = current.plan(
            for: next, observations: observations, facts: facts, move: .failover(outlook))
        #expect(plan.risks.first?.code == .primaryAnswers)
        #expect(plan.risks.first?.remedy.contains("switchover") == true)
        #expect(plan.risks.count { $0.code == .nodeUnreachable && $0.node == names[2] } == 1)
        var gone = outlook
        gone.promisers = [names[1]]
        gone.silent = [names[0], names[2]]
        let needed = current.plan(
            for: next, observations: observations, facts: facts, move: .failover(gone))
        #expect(!needed.risks.contains { $0.code == .primaryAnswers })
    }

    @Test func `faults block`() throws {
        let current = try document([2: 1])
        let plan = current.plan(
            for: current.removing(number(1), note: note), observations: [], facts: facts)
        #expect(plan.blockers.map(\.code.rawValue) == ["node-is-primary"])
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
        #expect(steps(plan) == ["- append-topology", "x add-node", "x start-link", "x full-sync"])
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

    private func moved() throws -> (TopologyDocument, TopologyDocument) {
        let current = try document([2: 1, 3: 1])
        let next = try current.movingPrimary(
            to: number(2), reign: Reign(term: 4, holder: number(2)), note: note
        ).changed()
        return (current, next)
    }

    @Test func `a switchover tells its pause, measured once one was seen`() throws {
        let (current, next) = try moved()
        var candidate = seen(2, applied: 480)
        candidate.lag = ObservedLag(entries: 20, bytes: 4_000, seconds: 0.1)
        func plan(_ facts: PlanningFacts) throws -> (ChangePlan, [ChangePlan.Evidence]) {
            let plan = current.plan(
                for: next, observations: [candidate, seen(3)], facts: facts,
                move: .switchover(holdMaxMilliseconds: 5_000))
            return (plan, try #require(plan.risks.first { $0.code == .writePause }).evidence)
        }
        let (first, guess) = try plan(facts)
        #expect(
            steps(first) == [
                "n2 catch-up", "n1 hold-writes", "n1 hand-over", "n2 move-primary",
                "n1 start-link", "n3 move-link",
            ])
        #expect(guess.first?.name == "pause_ms")
        #expect(guess.first?.isMeasured == false)
        #expect(guess.first { $0.name == "behind_entries" }?.value == 20)
        #expect(!first.risks.contains { $0.code == .dataLoss })

        var known = facts
        known.pauses = [12.5, 30, 7]
        let (_, evidence) = try plan(known)
        #expect(evidence.first?.value == 30, "the longest of them")
        #expect(evidence.first?.isMeasured == true)
    }

    @Test func `a failover tells who promises, whose tail is taken, and what may be lost`() throws {
        let (current, next) = try moved()
        let names = try ["n1", "n2", "n3"].map { try #require(NodeName($0)) }
        let loss = PossibleLoss(
            heard: [(LogIndex(500), 2.5), (LogIndex(10), 0.1)], furthest: LogIndex(490),
            entryBytes: 100)
        let plan = current.plan(
            for: next, observations: [seen(1, reachable: false), seen(2), seen(3)], facts: facts,
            move: .failover(
                FailoverOutlook(
                    promisers: [names[1], names[2]], promisesNeeded: 3, silent: [names[0]],
                    tail: (node: names[2], entries: 5), loss: loss)))
        #expect(
            steps(plan).prefix(4) == [
                "n2 collect-promises", "n2 take-tail", "n2 open-reign", "n2 move-primary",
            ])
        let risk = try #require(plan.risks.first { $0.code == .dataLoss })
        #expect(risk.evidence.map(\.name) == ["entries", "bytes", "seconds"])
        #expect(risk.evidence.map(\.value) == [10, 1_000, 2.5])
        // It may have written since.
        #expect(risk.evidence.map(\.isMeasured) == [false, false, true])
        #expect(risks(plan).contains("n1 node-unreachable"))
    }

    @Test func `what was written since a node was last heard is not said to be nothing`() {
        func loss(_ index: UInt64, _ age: Double) -> PossibleLoss {
            PossibleLoss(
                heard: [(LogIndex(index), age)], furthest: LogIndex(490), entryBytes: 100)
        }
        #expect(loss(490, 0.4) == PossibleLoss(entries: 0, bytes: 0, unheardSeconds: 0.4))
        #expect(loss(490, 0.4).evidence.map(\.isMeasured) == [true, true, true])
        #expect(loss(490, 9) == PossibleLoss(entries: nil, bytes: nil, unheardSeconds: 9))
        #expect(loss(490, 9).evidence.map(\.name) == ["seconds"])
        #expect(loss(500, 9) == PossibleLoss(entries: 10, bytes: 1_000, unheardSeconds: 9))
        #expect(loss(500, 9).isFloor && !loss(500, 0.4).isFloor)
    }

    @Test func `nothing is made up of nodes that were never heard`() {
        let loss = PossibleLoss(heard: [], furthest: LogIndex(490), entryBytes: 100)
        #expect(loss.evidence == [])
        #expect(
            PossibleLoss(heard: [(LogIndex(400), 1)], furthest: LogIndex(490), entryBytes: nil)
                .entries == 0)
    }

    @Test func `starting a replica over costs a full sync, and its copy meanwhile`() throws {
        let current = try document([2: 1, 3: 1], minInSync: 2)
        let plan = current.resyncPlan(
            of: number(2), observations: [seen(2, freeBytes: 5), seen(3)], facts: facts)
        #expect(steps(plan) == ["n2 end-link", "n2 full-sync"])
        #expect(
            risks(plan) == [
                "n2 full-sync-required", "n2 disk-space", "n2 reduced-redundancy", "- writes-wait",
            ])
    }

    @Test func `a limit of the replica counts for the time of its full sync`() throws {
        let current = try document([2: 1])
        var slow = seen(2)
        slow.syncBytesPerSecondMax = 1_000_000
        var known = facts
        known.syncBytesPerSecond = 50_000_000
        let plan = current.resyncPlan(of: number(2), observations: [slow], facts: known)
        let evidence = try #require(plan.risks.first).evidence
        #expect(evidence.first { $0.name == "sync_seconds" }?.value == 200)
        #expect(evidence.first { $0.name == "sync_seconds" }?.isMeasured == true)
    }
}
