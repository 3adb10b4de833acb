extension TopologyDocument {
    /// What making `next` of this document would do, as far as `observations` and `facts` tell.
    ///
    /// A plan never blocks a change of replicas for what nodes do or do not: found later, that is
    /// drift. Blockers are for a primary that would move to a node that cannot take over.
    public func plan(
        for next: TopologyDocument, observations: [NodeObservation], facts: PlanningFacts
    ) -> TopologyPlan {
        guard !hasSameContent(as: next) else { return TopologyPlan() }
        var computation = PlanComputation(
            current: self, next: next, observations: observations, facts: facts)
        computation.run()
        return computation.plan
    }

    /// The plan of what a request amounts to; of faults, a plan of blockers.
    public func plan(
        for change: Result<TopologyChange, TopologyFaults>, observations: [NodeObservation],
        facts: PlanningFacts
    ) -> TopologyPlan {
        switch change {
        case .success(.unchanged): TopologyPlan()
        case .success(.changed(let next)): plan(for: next, observations: observations, facts: facts)
        case .failure(let faults): TopologyPlan(blockedBy: faults)
        }
    }
}
