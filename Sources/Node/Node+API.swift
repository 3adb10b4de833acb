public import Engine
import Platform
public import Replication
import Topology

/// What the HTTP side asks of a node besides its changes and reports.
extension Node {
    /// Who this node is, for its peers.
    public var peerIdentity: PeerIdentity { state.identity }

    /// The session with the upstream, while there is one.
    public var upstreamStatus: ReplicaStatus? { session?.status }

    /// What is free on the data directory's disk.
    public var diskFreeBytes: UInt64 { maintenance.freeBytes }

    /// What the state takes, on disk and in memory that is yet to be written; a second old at most.
    public var stateBytes: UInt64 { maintenance.stateBytes }

    /// Full syncs that this node has finished, by reason.
    public var fullSyncsByReason: [String: UInt64] { state.facts.fullSyncsByReason }

    /// Changes that wait to be decided; nil while this node is not primary.
    public var commitsWaiting: Int? { state.committer?.waitingCount }

    /// How many operations are kept of each state; nil without a state.
    public func operationCounts() -> [OperationRecord.State: Int]? {
        guard let catalog = engine?.state.catalog else { return nil }
        var counts: [OperationRecord.State: Int] = [:]
        let local = tracker.localRecords + tracker.upkeepRecords
        for record in local { counts[record.state, default: 0] += 1 }
        let localIDs = Set(local.map(\.id))
        for record in catalog.operations.values where !localIDs.contains(record.id) {
            counts[record.state, default: 0] += 1
        }
        return counts
    }

    /// Why a change would be refused whatever it is; known before its body is read.
    public func earlyRefusal(needsSpace: Bool) -> ChangeFailure? {
        if state.isDraining { return .busy }
        if case .elsewhere(let failure) = standing { return failure }
        guard needsSpace, state.isDiskLow else { return nil }
        return .diskNearlyFull(
            freeBytes: maintenance.freeBytes, reserveBytes: options.diskReserveBytes)
    }
}

extension Node {
    /// Whether this node, a replica, has what the primary has.
    ///
    /// Unlike ``SyncReport/inSync`` it does not wait until the primary was asked again after each
    /// change of the catalog: only a catalog that is known to differ counts.
    public func isInSync(_ sync: SyncReport) -> Bool {
        guard let own = sync.nodes.first(where: { $0.name == name.rawValue }),
            own.running?.state == .streaming, let lag = own.lag?.seconds,
            lag < options.inSyncLag.inSeconds, !own.hasAlarm(.catalogDiffers)
        else { return false }
        let primary = sync.nodes.first { $0.name == sync.primary && $0.running?.role == .primary }
        guard let theirs = primary?.catalog, let ours = own.catalog, theirs.index == ours.index
        else { return true }
        return theirs.digest == ours.digest
    }
}

extension Node {
    /// Whether nobody comes in without a token: by the state that serves now, or, while there is none,
    /// by the one that served before, or the word of the cluster that adopted this node.
    public var requiresToken: Bool {
        engine?.state.catalog.requiresToken
            ?? (state.facts.requiresToken || state.hadTokens)
    }
}
