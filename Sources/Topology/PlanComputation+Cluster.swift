import Log

/// What a change does to the cluster as a whole.
extension PlanComputation {
    mutating func movePrimary() {
        guard let candidate = next.node(numbered: next.primary) else { return }
        step(.movePrimary, candidate, "from \(current.label(of: current.primary))")
        guard let seen = observed[candidate.number], seen.isReachable else {
            return block(
                .nodeUnreachable, candidate, "it does not answer", age(of: candidate.number),
                "start it, or choose another candidate")
        }
        switch seen.state {
        case .fullSync:
            block(
                .candidateInFullSync, candidate, "it has not the whole state yet", [],
                "wait until it streams")
        case .detached, .fenced:
            block(
                .candidateNotFollowing, candidate, "it does not follow this cluster", [],
                "choose another candidate")
        case .serving, .unconfirmed, .handingOver, .connecting, .handshake, .streaming, .backoff,
            .stalled, nil:
            break
        }
        guard let applied = seen.applied, let last = facts.lastIndex, applied < last else { return }
        risk(
            .dataLoss, candidate, "forced, entries that it has not applied may be lost",
            [measured("entries", last.distance(past: applied))],
            "switch over while the primary runs: that loses nothing")
    }

    mutating func compareRedundancy() {
        let (before, after) = (current.replicas.count, next.replicas.count)
        guard after < before else { return }
        risk(
            .reducedRedundancy, nil,
            after == 0 ? "the primary has the only copy" : "fewer nodes hold a copy",
            [
                measured("replicas_before", UInt64(before)),
                measured("replicas_after", UInt64(after)),
            ],
            "add a replica before")
    }

    mutating func compareMinInSync() {
        let wanted = next.minInSyncReplicas
        if wanted != current.minInSyncReplicas {
            step(.setMinInSync, nil, "from \(current.minInSyncReplicas) to \(wanted)")
        }
        compareWhoHears()
        let streaming = next.replicas.count { replica in
            guard let seen = observed[replica.node] else { return false }
            return seen.isReachable && seen.state == .streaming
        }
        guard wanted > streaming else { return }
        risk(
            .writesWait, nil, "fewer replicas stream than each write shall wait for",
            [
                measured("min_in_sync_replicas", UInt64(wanted)),
                measured("streaming", UInt64(streaming)),
            ],
            "wait until enough replicas stream, or lower min_in_sync_replicas")
    }

    /// Who does not hear of the change still counts promises by the document before it
    /// (``UnheardChanges``).
    private mutating func compareWhoHears() {
        let needed = current.minInSyncReplicas
        guard needed > 0 else { return }
        let kept = current.replicas.filter { next.role(of: $0.node) != nil }
        let deaf = kept.filter { observed[$0.node]?.isReachable != true }
        if next.minInSyncReplicas < needed {
            for replica in deaf {
                risk(
                    .dataLoss, current.node(numbered: replica.node),
                    "it does not hear that fewer replicas count from now on: promoted alone it would take itself for exclusive",
                    [measured("min_in_sync_replicas", UInt64(next.minInSyncReplicas))],
                    "remove it, or promote another one")
            }
        }
        let isAdding = next.nodes.contains { node in
            next.role(of: node.number) != nil && current.role(of: node.number) == nil
        }
        guard isAdding, kept.count - deaf.count < min(needed, kept.count) else { return }
        risk(
            .writesWait, nil,
            "writes are not answered before as many old replicas have heard of the new node as writes waited for",
            [
                measured("min_in_sync_replicas", UInt64(needed)),
                measured("unreachable", UInt64(deaf.count)),
            ],
            "wait for the unreachable replicas, or remove them")
    }
}
