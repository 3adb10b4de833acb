/// Why a replica takes a snapshot. The raw values are the words of the API.
public enum FullSyncReason: String, CaseIterable, Sendable {
    /// The node has no state of its own, or none that counts.
    case empty
    /// The upstream's log begins behind the replica's position.
    case positionNotRetained = "position-not-retained"
    /// The replica has entries that the upstream's history has not.
    case historyDiverged = "history-diverged"
    /// An operator asked for it.
    case requested
    /// The catalog's digest was not the primary's at the same entry.
    case catalogDiffers = "catalog-differs"
}

/// What a full sync is doing. The raw values are the words of the API.
public enum FullSyncStage: String, CaseIterable, Sendable {
    /// The upstream makes a snapshot.
    case prepare
    case fetch
    case verify
    case load
    /// The new state takes the log up to where the upstream stood as it was loaded.
    case catchUp = "catch_up"
    case swap
}
