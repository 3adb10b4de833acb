import Log
import Platform

/// What a change does to the cluster as a whole.
extension PlanComputation {
    mutating func movePrimary() {
        guard let candidate = next.node(numbered: next.primary) else { return }
        switch move {
        case .switchover(let holdMax): switchOver(to: candidate, holdMax: holdMax)
        case .failover(let outlook): failOver(to: candidate, outlook)
        case nil: break
        }
        step(.movePrimary, candidate, "from \(current.label(of: current.primary))")
    }

    private mutating func switchOver(to candidate: NodeRecord, holdMax: UInt64) {
        let seen = observed[candidate.number]
        let behind = seen?.lag?.entries
        step(
            .catchUp, candidate,
            behind.map { "it applies the \($0) entries that it is behind" }
                ?? "it applies what it is behind")
        step(
            .holdWrites, current.node(numbered: current.primary),
            "for \(holdMax) ms at most; not reached in time, writes go on and nothing has changed")
        step(
            .handOver, current.node(numbered: current.primary),
            "its last entry, on its disk, grants the next reign; writes that wait are sent on by 421"
        )
        let pause = facts.pauses.max()
        var evidence = [
            ChangePlan.Evidence(
                name: "pause_ms", value: pause ?? PlanningFacts.assumedPauseMilliseconds,
                isMeasured: pause != nil),
            ChangePlan.Evidence(
                name: "hold_max_ms", value: Double(holdMax), isMeasured: true),
            ChangePlan.Evidence(
                name: "switchovers_measured", value: Double(facts.pauses.count), isMeasured: true),
        ]
        evidence += lagEvidence(seen?.lag)
        if let rate = facts.writeBytesPerSecond {
            evidence.append(.measured("write_bytes_per_second", rate.rounded()))
        }
        risk(
            .writePause, candidate, "writes wait while the primary moves; none is lost", evidence,
            "switch over when \(candidate.name) is not behind and few write")
        lookAtCandidate(candidate)
    }

    private mutating func failOver(to candidate: NodeRecord, _ outlook: FailoverOutlook) {
        let names = outlook.promisers.map(\.rawValue).joined(separator: ", ")
        step(
            .collectPromises, candidate,
            "of \(names): \(outlook.promisers.count), and \(outlook.promisesNeeded) are needed to lose nothing"
        )
        if let tail = outlook.tail {
            step(
                .takeTail, candidate,
                "the \(tail.entries) entries that \(tail.node) has and it lacks"
            )
        }
        step(.openReign, candidate, "by an entry on its disk; the old primary is fenced")
        warnOfPrimary(candidate, outlook)
        for silent in outlook.silent {
            guard let record = current.node(named: silent) else { continue }
            risk(
                .nodeUnreachable, record,
                "it does not answer; it is fenced, and follows, when it returns",
                age(of: record.number), "start it, if it can be")
        }
        guard let loss = outlook.loss else { return }
        risk(
            .dataLoss, candidate, "what only nodes have that do not answer is lost",
            loss.evidence, "start \(FailoverOutlook.either(outlook.silent)) before")
    }

    /// Nobody should depose a primary that answers without knowing that it does.
    private mutating func warnOfPrimary(_ candidate: NodeRecord, _ outlook: FailoverOutlook) {
        guard let primary = current.node(numbered: current.primary),
            outlook.promisers.contains(primary.name), candidate.number != primary.number
        else { return }
        var evidence = age(of: primary.number)
        evidence += lagEvidence(observed[candidate.number]?.lag)
        let answers = "the primary \(primary.name) answers: a failover deposes it"
        risk(
            .primaryAnswers, primary,
            "\(answers), and what it writes before it has heard of that may be set aside",
            evidence, "POST /v1/topology/switchover at \(primary.name), which loses nothing")
    }

    private mutating func lookAtCandidate(_ candidate: NodeRecord) {
        guard let seen = observed[candidate.number], let age = milliseconds(since: seen.observedAt),
            age > PlanningFacts.observationAgeMax.wholeMilliseconds
        else { return }
        risk(
            .staleObservation, candidate, "what is known of it is old",
            self.age(of: candidate.number), "ask again in a second")
    }

    private func lagEvidence(_ lag: ObservedLag?) -> [ChangePlan.Evidence] {
        guard let lag else { return [] }
        return [
            .measured("behind_entries", lag.entries),
            lag.bytes.map { .measured("behind_bytes", $0) },
            lag.seconds.map { .measured("behind_seconds", $0) },
        ].compactMap { $0 }
    }

    mutating func compareRedundancy() {
        let (before, after) = (current.replicas.count, next.replicas.count)
        guard after < before else { return }
        risk(
            .reducedRedundancy, nil,
            after == 0 ? "the primary has the only copy" : "fewer nodes hold a copy",
            [
                .measured("replicas_before", UInt64(before)),
                .measured("replicas_after", UInt64(after)),
            ],
            "add a replica before")
    }

    mutating func compareMinInSync() {
        let wanted = next.minInSyncReplicas
        if wanted != current.minInSyncReplicas {
            step(.setMinInSync, nil, "from \(current.minInSyncReplicas) to \(wanted)")
        }
        compareWhoHears()
        warnOfWaits(wanted, streaming: streaming(in: next, without: nil))
    }

    /// How many replicas stream; the old primary will, once it follows.
    private func streaming(in document: TopologyDocument, without left: NodeNumber?) -> Int {
        document.replicas.count { replica in
            guard replica.node != left, let seen = observed[replica.node] else { return false }
            if replica.node == current.primary { return seen.isReachable }
            return seen.isReachable && seen.state == .streaming
        }
    }

    private mutating func warnOfWaits(_ wanted: Int, streaming: Int) {
        guard wanted > streaming else { return }
        risk(
            .writesWait, nil, "fewer replicas stream than each write shall wait for",
            [
                .measured("min_in_sync_replicas", UInt64(wanted)),
                .measured("streaming", UInt64(streaming)),
            ],
            "wait until enough replicas stream, or lower min_in_sync_replicas")
    }

    /// A replica starts over: the document stays as it is.
    mutating func startOver(_ node: NodeRecord) {
        guard let upstream = current.upstream(of: node.number) else { return }
        step(
            .endLink, node,
            "\(node.name) ends its link with \(current.label(of: upstream)), and serves what it has meanwhile"
        )
        step(.fullSync, node, "from \(current.label(of: upstream)), then the log (requested)")
        transferEverything(
            to: node, "it is asked to start over (requested)",
            remedy: "resync when the primary has disk and network to spare")
        if isUnreachable(node.number) {
            risk(
                .nodeUnreachable, node, "it does not answer; it is asked as soon as it does",
                age(of: node.number), "start it")
        }
        let before = streaming(in: current, without: nil)
        let after = streaming(in: current, without: node.number)
        if after < before {
            risk(
                .reducedRedundancy, node, "until it is done, it is not in sync",
                [
                    .measured("streaming_before", UInt64(before)),
                    .measured("streaming_after", UInt64(after)),
                ], "resync one replica at a time")
        }
        warnOfWaits(current.minInSyncReplicas, streaming: after)
    }
}

extension FailoverOutlook {
    /// Who might be started, in words.
    public static func either(_ names: [NodeName]) -> String {
        names.isEmpty ? "the silent nodes" : names.map(\.rawValue).joined(separator: " or ")
    }
}
