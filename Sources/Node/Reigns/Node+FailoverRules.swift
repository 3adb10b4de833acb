import Engine
import Log
import Platform
import Replication
public import Topology

/// What forbids a failover to this node, what it may expect of one, and what one came to.
extension Node {
    /// Each rule that forbids a failover to this node now, with its evidence; empty when it may begin.
    func failoverVetoes(
        acceptDataLoss: Bool, _ outlook: FailoverOutlook?
    ) -> [ChangePlan.Finding] {
        if state.committer != nil {
            return [
                ChangePlan.Finding(
                    .isPrimary, name, "this node is the primary already", remedy: "none needed")
            ]
        }
        let report = self.report()
        // A candidate may be behind: what it lacks it takes from others. A detached one forks. For a
        // former primary that does not reign again by itself, this is the way.
        var vetoes = report.vetoes
            .filter { !["lagging", "detached", "undecided"].contains($0.code) }
            .map { report.finding(of: $0) }
        guard state.facts.number != nil, let document = state.document else {
            return vetoes + [
                ChangePlan.Finding(
                    .notMember, name, "this node belongs to no cluster and has no state yet",
                    remedy: "take it in with POST /v1/nodes at the primary of a cluster")
            ]
        }
        if !acceptDataLoss, let outlook, outlook.loss != nil {
            vetoes.append(dataLossPossible(outlook))
        }
        let highest = highestTerm(document)
        if NextTerm.above(highest, mayMissReigns: outlook?.loss != nil) == nil {
            vetoes.append(
                ChangePlan.Finding(
                    .init(rawValue: "terms-exhausted"), name, NextTerm.exhausted(highest),
                    evidence: [.measured("highest_term", UInt64(highest))],
                    remedy: "take the node that knows that term out of the topology"))
        }
        if tracker.runsLocal { vetoes.append(failoverRunning) }
        return vetoes
    }

    var failoverRunning: ChangePlan.Finding {
        ChangePlan.Finding(
            .failoverRunning, name, "a failover to this node runs already",
            remedy: "follow it in /v1/operations")
    }

    func dataLossPossible(_ outlook: FailoverOutlook) -> ChangePlan.Finding {
        let (promises, needed) = (outlook.promisers.count, outlook.promisesNeeded)
        let risk =
            "\(promises) of \(promises + outlook.silent.count) nodes answer, and \(needed) are needed to know that nothing acknowledged is missing: what only the silent nodes have is lost"
            + (outlook.loss?.isFloor ?? false
                ? "; what they wrote since they were last heard, nobody knows" : "")
        return ChangePlan.Finding(
            .dataLossPossible, name, risk,
            evidence: [
                .measured("promises", UInt64(promises)),
                .measured("promises_needed", UInt64(needed)),
            ] + (outlook.loss?.evidence ?? []),
            remedy:
                "start \(FailoverOutlook.either(outlook.silent)), or send accept_data_loss true to do it all the same"
        )
    }

    /// By who answers, as far as is known now: plans, refusals and operations judge by this alone. Nil
    /// for a node that has no role, whose failover is a fork.
    var knownOutlook: FailoverOutlook? {
        guard let number = state.facts.number, let document = state.document,
            state.ownRole(in: document) != nil
        else { return nil }
        return outlook(document, number)
    }

    /// Asks everybody before anybody promises: a promise that leads to nothing holds up the cluster.
    /// Blocks, until all have answered, or have not for ``promiseTimeout``.
    func lookAround(_ document: TopologyDocument, _ number: NodeNumber) -> FailoverOutlook {
        let askedAt = MonotonicTime.now()
        peers.pokeAll()
        // Whoever is poked while it is being asked is asked once more.
        let deadline = askedAt + Node.promiseTimeout + .milliseconds(50)
        let others = document.peers(of: number)
        func isSettled(_ record: NodeRecord) -> Bool {
            isHeard(record, since: askedAt)
                || !peers.answers(record.number, within: Node.promiseTimeout)
        }
        let pause = Monitor(())
        while MonotonicTime.now() < deadline, !others.allSatisfy(isSettled) {
            _ = pause.wait(until: .now() + .milliseconds(10)) { _ -> Void? in nil }
        }
        return outlook(document, number, heardSince: askedAt)
    }

    private func isHeard(_ record: NodeRecord, since time: MonotonicTime) -> Bool {
        peers.observation(of: record.number).map { $0.asked >= time } ?? false
    }

    /// With `heardSince` whoever has not answered a question of after that is silent.
    private func outlook(
        _ document: TopologyDocument, _ number: NodeNumber, heardSince: MonotonicTime? = nil
    ) -> FailoverOutlook {
        let others = document.peers(of: number)
        let promisers = others.filter { record in
            peers.answers(record.number, within: Node.promiseTimeout)
                && (heardSince.map { isHeard(record, since: $0) } ?? true)
        }
        let silent = others.filter { record in
            !promisers.contains { $0.number == record.number }
        }
        let decision = FailoverDecision(document, promises: promisers.count + 1)
        var outlook = FailoverOutlook(
            promisers: [name] + promisers.map(\.name), promisesNeeded: decision.promisesNeeded,
            silent: silent.map(\.name))
        let own = state.engine?.state.header.extent ?? .none
        let ahead = promisers.compactMap { record in
            extent(of: record).map { (record: record, extent: $0) }
        }.filter { $0.extent > own }.max { $0.extent < $1.extent }
        if let ahead {
            let index = ahead.extent.position.index
            let entries = index > own.position.index ? index.distance(past: own.position.index) : 0
            outlook.tail = (node: ahead.record.name, entries: entries)
        }
        if !decision.isExclusive {
            outlook.loss = possibleLoss(document, silent, furthest: ahead?.extent ?? own)
        }
        return outlook
    }

    private func extent(of record: NodeRecord) -> HistoryExtent? {
        let status = peers.observation(of: record.number)?.status
        return status?.lineage == state.lineage ? status?.extent : nil
    }

    private func possibleLoss(
        _ document: TopologyDocument, _ silent: [NodeRecord], furthest: HistoryExtent
    ) -> PossibleLoss {
        let now = UnixMilliseconds.now()
        var heard = silent.compactMap { record -> (index: LogIndex, ageSeconds: Double)? in
            guard let extent = extent(of: record),
                let at = peers.observation(of: record.number)?.heardAt
            else { return nil }
            let age = now > at ? Double(now.rawValue - at.rawValue) / 1000 : 0
            return (extent.position.index, age)
        }
        // Its heartbeats came by the stream, too, and later than the last visit.
        if silent.contains(where: { $0.number == document.primary }),
            let origin = session?.status.origin
        {
            heard.append((origin.position.index, origin.age(at: .now()).inSeconds))
        }
        let log = state.engine?.log
        let entryBytes = log.map { log in
            Double(log.bytes) / Double(max(1, log.last.index.distance(past: log.first) + 1))
        }
        return PossibleLoss(
            heard: heard, furthest: furthest.position.index, entryBytes: entryBytes)
    }

    /// What the failover rests on, once the promises are there.
    func result(
        of promises: PromiseTally, _ bid: Bid, _ decision: FailoverDecision
    ) -> FailoverResult {
        let silent = bid.others.filter { !promises.hasPromised($0.number) }
        let furthest = promises.furthestExtent
        return FailoverResult(
            node: name.rawValue, term: bid.reign.term, isExclusive: decision.isExclusive,
            promisers: [name.rawValue] + promises.promiserNames,
            promisesNeeded: decision.promisesNeeded,
            silent: silent.map { record in
                let known = peers.observation(of: record.number)?.status?.report.divergedEntries
                return .init(
                    node: record.name.rawValue,
                    divergedEntriesBefore: known ?? state.facts.heardDiverged[record.number])
            },
            tail: nil,
            acceptedLoss: decision.isExclusive
                ? nil : possibleLoss(bid.document, silent, furthest: furthest))
    }

    // MARK: - Planned

    /// What a failover to this node would do. Asks the others, and changes nothing; on a thread of its
    /// own, for at most ``promiseTimeout``.
    public func planFailover(
        acceptDataLoss: Bool, completion: @escaping @Sendable (ChangePlan) -> Void
    ) {
        _ = WorkerThread(name: "failover-plan") { [self] in
            completion(failoverPlan(acceptDataLoss: acceptDataLoss))
        }
    }

    private func failoverPlan(acceptDataLoss: Bool) -> ChangePlan {
        var plan = ChangePlan()
        var outlook: FailoverOutlook?
        if let number = state.facts.number, let document = state.document, state.committer == nil {
            if state.ownRole(in: document) == nil {
                plan.steps = [
                    .init(
                        .fork, name, "it founds a cluster of its own, on the history that it has")
                ]
                plan.risks = [
                    ChangePlan.Finding(
                        .reducedRedundancy, name, "the new cluster has this copy only",
                        evidence: [.measured("replicas_after", UInt64(0))],
                        remedy: "add replicas to it with POST /v1/nodes")
                ]
            } else {
                let found = lookAround(document, number)
                outlook = found
                plan = self.plan(of: .failover(found), to: number, in: document)
            }
        }
        plan.blockers = failoverVetoes(acceptDataLoss: acceptDataLoss, outlook)
        return plan
    }

    /// The steps and risks of the primary's move to `node`.
    func plan(
        of move: PrimaryMove, to node: NodeNumber, in document: TopologyDocument
    ) -> ChangePlan {
        guard let term = NextTerm.above(highestTerm(document)) else { return ChangePlan() }
        let change = document.movingPrimary(
            to: node, reign: Reign(term: term, holder: node),
            note: ChangeNote(at: .now(), by: "plan"))
        guard case .success(.changed(let next)) = change else { return ChangePlan() }
        let sync = self.sync()
        return document.plan(
            for: next, observations: planningObservations(sync, document),
            facts: planningFacts(sync), move: move)
    }
}
