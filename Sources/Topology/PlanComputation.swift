import Log
import Platform

/// What a change does to nodes and their links, and what speaks against it.
struct PlanComputation {
    let current: TopologyDocument
    let next: TopologyDocument
    let observed: [NodeNumber: NodeObservation]
    let facts: PlanningFacts
    /// How the primary moves, when it does.
    let move: PrimaryMove?
    var plan = ChangePlan()

    init(
        current: TopologyDocument, next: TopologyDocument, observations: [NodeObservation],
        facts: PlanningFacts, move: PrimaryMove? = nil
    ) {
        self.move = move
        self.current = current
        self.next = next
        self.facts = facts
        observed = Dictionary(observations.map { ($0.number, $0) }) {
            $0.observedAt < $1.observedAt ? $1 : $0
        }
    }

    mutating func run() {
        // The primary moves by an entry of its own.
        if move == nil {
            step(.appendTopology, nil, "generation \(next.generation), on the primary's disk")
        }
        if next.primary != current.primary { movePrimary() }
        for node in current.nodes where next.node(numbered: node.number) == nil { remove(node) }
        for node in next.nodes {
            guard let before = current.node(numbered: node.number) else {
                step(.addNode, node, "number \(node.number) at \(node.address)")
                changeLink(of: node)
                continue
            }
            if before.address != node.address {
                step(.changeAddress, node, "from \(before.address) to \(node.address)")
            }
            changeLink(of: node)
        }
        compareRedundancy()
        compareMinInSync()
    }

    private mutating func remove(_ node: NodeRecord) {
        guard let upstream = current.upstream(of: node.number) else {
            return step(.removeNode, node, "it had no role")
        }
        step(.endLink, node, "\(current.label(of: upstream)) ends it and refuses the node")
        step(.removeNode, node, "it says detached; its number is not used again")
        if isUnreachable(node.number) {
            risk(
                .nodeUnreachable, node,
                "it cannot be told now; it is refused, and turns detached when it returns",
                age(of: node.number), "none needed")
        }
    }

    private mutating func changeLink(of node: NodeRecord) {
        let before = current.upstream(of: node.number)
        let after = next.upstream(of: node.number)
        switch (before, after) {
        case (nil, nil): return
        case (_?, nil):
            guard node.number != next.primary else { return }
            step(.endLink, node, "it keeps its number, follows nobody, and says detached")
        case (nil, let after?):
            step(.startLink, node, "it follows \(next.label(of: after))")
            if current.node(numbered: node.number) == nil {
                expectArrival(of: node, from: after)
            } else {
                expectRestart(of: node, from: after)
            }
            lookAt(node, upstream: after)
        case (let before?, let after?):
            let moved = before != after
            let readdressed =
                current.node(numbered: before)?.address != next.node(numbered: after)?.address
            guard moved || readdressed else { return }
            let names = "\(current.label(of: before)) to \(next.label(of: after))"
            step(.moveLink, node, moved ? "from \(names)" : "to its upstream's new address")
            expectRestart(of: node, from: after)
            lookAt(node, upstream: after)
        }
    }

    /// A node that is taken in begins with a full sync, unless it has this history still.
    private mutating func expectArrival(of node: NodeRecord, from upstream: NodeNumber) {
        let why: String
        switch observed[node.number]?.history {
        case .shared: return expectRestart(of: node, from: upstream)
        case .absent: why = "it has no state of this cluster (empty)"
        case .notRetained:
            why = "the entries that it needs are no longer retained (position-not-retained)"
        case .differs:
            why =
                "its history is not this one; what only it has is set aside in diverged/ (history-diverged)"
        case nil:
            why =
                "it was not looked at: unless it has this cluster's history still, it needs everything (empty)"
        }
        step(.fullSync, node, "then the log, until it has everything")
        transferEverything(
            to: node, why, remedy: "add it when the primary has disk and network to spare")
    }

    /// What a full sync costs, and whether there is room for it.
    mutating func transferEverything(
        to node: NodeRecord, _ why: String, _ more: [ChangePlan.Evidence] = [], remedy: String
    ) {
        let seen = observed[node.number]
        var evidence = more
        if let bytes = facts.dataBytes {
            let limit = seen?.syncBytesPerSecondMax ?? .max
            let rate = min(
                facts.syncBytesPerSecond ?? PlanningFacts.assumedSyncBytesPerSecond, limit)
            evidence += [
                .measured("data_bytes", bytes),
                ChangePlan.Evidence(
                    name: "sync_seconds", value: Double(bytes) / Double(max(rate, 1)),
                    isMeasured: facts.syncBytesPerSecond != nil),
            ]
        }
        risk(.fullSyncRequired, node, why, evidence, remedy)
        guard let bytes = facts.dataBytes, let free = seen?.freeBytes, free < bytes else { return }
        risk(
            .diskSpace, node, "what it has to take is larger than what is free on its disk",
            [.measured("data_bytes", bytes), .measured("free_bytes", free)],
            "free or add disk there")
    }

    private mutating func expectRestart(of node: NodeRecord, from upstream: NodeNumber) {
        guard let applied = observed[node.number]?.applied else {
            return risk(
                .linkRestarts, node, "its position is not known", [],
                "wait until the node has been seen")
        }
        var evidence = [measured("applied_index", applied.rawValue)]
        if let first = facts.firstIndex, applied.next < first {
            evidence.append(measured("first_index", first.rawValue))
            return transferEverything(
                to: node,
                "the entries that it needs are no longer retained (position-not-retained)",
                evidence, remedy: "do it when the primary has disk and network to spare")
        }
        if let last = facts.lastIndex {
            evidence.append(measured("behind_entries", last.distance(past: applied)))
        }
        risk(
            .linkRestarts, node, "it goes on from its own position under the new upstream",
            evidence,
            "none needed: a partial sync")
        if let ahead = observed[upstream]?.applied, ahead < applied {
            risk(
                .upstreamNotStreaming, node,
                "its upstream is behind it; it waits until that is not so",
                [measured("upstream_applied_index", ahead.rawValue)],
                "choose an upstream that is as far")
        }
    }

    private mutating func lookAt(_ node: NodeRecord, upstream: NodeNumber) {
        for seen in [node.number, upstream].compactMap({ next.node(numbered: $0) }) {
            if seen.number == next.primary && seen.number == current.primary { continue }
            guard let observation = observed[seen.number] else { continue }
            if observation.isSameLineage == false {
                risk(
                    .otherCluster, seen, "what answers there belongs to another cluster",
                    age(of: seen.number), "adopt it with POST /v1/nodes")
            }
            if isUnreachable(seen.number) {
                // A failover has told of the silent ones already.
                guard !plan.risks.contains(where: { $0.is(.nodeUnreachable, of: seen) }) else {
                    continue
                }
                risk(
                    .nodeUnreachable, seen, "it does not answer", age(of: seen.number),
                    "start it, or correct its address")
            } else if let old = milliseconds(since: observation.observedAt),
                old > PlanningFacts.observationAgeMax.wholeMilliseconds
            {
                risk(
                    .staleObservation, seen, "what is known of it is old", age(of: seen.number),
                    "ask again in a second")
            }
        }
        guard upstream != next.primary, let state = observed[upstream]?.state, state != .streaming,
            let parent = next.node(numbered: upstream)
        else { return }
        risk(
            .upstreamNotStreaming, node, "its upstream \(parent.name) is \(state.rawValue)", [],
            "wait until it streams, or choose another upstream")
    }
}

extension PlanComputation {
    func isUnreachable(_ node: NodeNumber) -> Bool { observed[node]?.isReachable == false }

    func milliseconds(since time: UnixMilliseconds) -> Int64? {
        facts.now < time ? nil : Int64(clamping: facts.now.rawValue - time.rawValue)
    }

    func age(of node: NodeNumber) -> [ChangePlan.Evidence] {
        guard let seen = observed[node], let age = milliseconds(since: seen.observedAt) else {
            return []
        }
        return [measured("observation_age_ms", UInt64(clamping: age))]
    }

    func measured(_ name: String, _ value: UInt64) -> ChangePlan.Evidence {
        .measured(name, value)
    }

    mutating func step(
        _ code: ChangePlan.Step.Code, _ node: NodeRecord?, _ detail: String
    ) {
        plan.steps.append(ChangePlan.Step(code, node?.name, detail))
    }

    mutating func risk(
        _ code: ChangePlan.Finding.Code, _ node: NodeRecord?, _ detail: String,
        _ evidence: [ChangePlan.Evidence], _ remedy: String
    ) {
        let finding = ChangePlan.Finding(
            code, node?.name, detail, evidence: evidence, remedy: remedy)
        // Several children may lead to the same upstream.
        if !plan.risks.contains(finding) { plan.risks.append(finding) }
    }
}

extension ChangePlan.Finding {
    fileprivate func `is`(_ code: Code, of node: NodeRecord) -> Bool {
        self.code == code && self.node == node.name
    }
}
