import Log

/// Who has to hear of a change.
extension PlanComputation {
    /// Who does not hear of the change still counts promises by the document before it
    /// (``UnheardChanges``).
    mutating func compareWhoHears() {
        let needed = current.minInSyncReplicas
        guard needed > 0 else { return }
        let kept = current.replicas.filter { next.role(of: $0.node) != nil }
        let deaf = kept.filter { observed[$0.node]?.isReachable != true }
        if next.minInSyncReplicas < needed {
            for replica in deaf {
                risk(
                    .dataLoss, current.node(numbered: replica.node),
                    "it does not hear that fewer replicas count from now on: promoted alone it would take itself for exclusive",
                    [.measured("min_in_sync_replicas", UInt64(next.minInSyncReplicas))],
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
                .measured("min_in_sync_replicas", UInt64(needed)),
                .measured("unreachable", UInt64(deaf.count)),
            ],
            "wait for the unreachable replicas, or remove them")
    }
}
