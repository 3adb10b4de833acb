/// The states of a replica's session as the API, the wire and the page call them.
public enum ReplicaStateWord: String, CaseIterable, Sendable {
    case connecting
    case handshake
    case fullSync = "full_sync"
    case streaming
    case backoff
    case stalled
    case detached
    case fenced
    /// Told to end; nothing runs any more.
    case stopped
}
