public import Log

extension TopologyDocument {
    /// What making `next` of this document would do, as far as `observations` and `facts` tell;
    /// `move` says how the primary moves, when it does.
    ///
    /// A plan never blocks a change for what nodes do or do not: found later, that is drift. What
    /// does block it, the caller adds: by the very rules that would refuse the change.
    public func plan(
        for next: TopologyDocument, observations: [NodeObservation], facts: PlanningFacts,
        move: PrimaryMove? = nil
    ) -> ChangePlan {
        guard !hasSameContent(as: next) || next.generation > generation || move != nil else {
            return ChangePlan()
        }
        var computation = PlanComputation(
            current: self, next: next, observations: observations, facts: facts, move: move)
        computation.run()
        return computation.plan
    }

    /// What it would be to start a replica over, with a full sync.
    public func resyncPlan(
        of node: NodeNumber, observations: [NodeObservation], facts: PlanningFacts
    ) -> ChangePlan {
        guard let record = self.node(numbered: node) else { return ChangePlan() }
        var computation = PlanComputation(
            current: self, next: self, observations: observations, facts: facts)
        computation.startOver(record)
        return computation.plan
    }

    /// The plan of what a request amounts to; of faults, a plan of blockers.
    public func plan(
        for change: Result<TopologyChange, TopologyFaults>, observations: [NodeObservation],
        facts: PlanningFacts
    ) -> ChangePlan {
        switch change {
        case .success(.unchanged): ChangePlan()
        case .success(.changed(let next)): plan(for: next, observations: observations, facts: facts)
        case .failure(let faults): ChangePlan(blockedBy: faults)
        }
    }
}
