public import Replication

/// What the HTTP side asks of a node besides its changes and reports.
extension Node {
    /// Who this node is, for its peers.
    public var peerIdentity: PeerIdentity { state.identity }

    /// The session with the upstream, while there is one.
    public var upstreamStatus: ReplicaStatus? { session?.status }

    /// What is free on the data directory's disk.
    public var diskFreeBytes: UInt64 { maintenance.freeBytes }

    /// Why a change would be refused whatever it is; known before its body is read.
    public func earlyRefusal(needsSpace: Bool) -> ChangeFailure? {
        if state.isDraining { return .busy }
        if state.committer == nil { return notPrimaryFailure() }
        guard needsSpace, state.isDiskLow else { return nil }
        return .diskNearlyFull(
            freeBytes: maintenance.freeBytes, reserveBytes: options.diskReserveBytes)
    }
}
