import Engine
import Log
import Platform
import Replication
import Topology

/// What this node does for its cluster now.
///
///     undecided ──opens its reign──▶ primary ──a higher reign is heard of──▶ replica
///         └──a newer document says so──▶ replica ◀──a full sync gives it a state
///
/// Invariants
///  1. Only `primary` holds a ``Committer``: the right to append is a value of this case.
///  2. At boot a node with a state of its own is `undecided`.
enum Role: Sendable {
    /// Was primary before it stopped, and asks the others before it opens a new reign.
    case undecided
    case primary(Committer)
    /// Follows, or waits to be told whom to follow.
    case replica(ReplicaSession?)

    var running: RunningRole {
        switch self {
        case .undecided: .undecided
        case .primary: .primary
        case .replica: .replica
        }
    }
}
