import Engine
public import Log
import Platform
import Topology

/// How far a source's log reaches back for one replica. Pure values.
public struct ReplicaRetention: Equatable, Sendable {
    public enum Need: Equatable, Sendable {
        case none
        /// More than ``soonPart`` of what is kept for it is missing there.
        case soon
        /// What it lacks is not there any more.
        case now
    }

    /// The last entry that the replica is known to have; nil: not known.
    public var acked: LogIndex?
    /// The log's first entry.
    public var first: LogIndex
    /// What the replica lacks of the log; nil as ``acked``.
    public var bytesBehind: UInt64?
    /// For how many bytes of log a replica is waited for.
    public var bytesMax: UInt64
    /// Until the replica needs a full sync, at the present rate of writes; zero once that is so, nil
    /// while nothing is written, or ``acked`` is not known.
    public var headroomSeconds: Double?

    /// Of ``bytesMax``; beyond it a full sync is near.
    static let soonPart = 0.75

    public init(
        acked: LogIndex?, first: LogIndex, bytesBehind: UInt64, bytesMax: UInt64,
        bytesPerSecond: Double
    ) {
        self.acked = acked
        self.first = first
        self.bytesMax = bytesMax
        guard let acked else { return }
        self.bytesBehind = bytesBehind
        if acked.next < first || bytesBehind >= bytesMax {
            headroomSeconds = 0
        } else if bytesPerSecond > 0 {
            headroomSeconds = Double(bytesMax - bytesBehind) / bytesPerSecond
        }
    }

    public var need: Need {
        guard let acked, let bytesBehind else { return .none }
        if acked.next < first { return .now }
        let limit = Double(bytesMax) * ReplicaRetention.soonPart
        return Double(bytesBehind) > limit ? .soon : .none
    }
}

extension Source {
    /// Of a replica of this node, whether a link with it runs or not. `told` counts when it has
    /// acknowledged nothing since this node started.
    public func retention(
        of replica: NodeNumber, otherwiseAt told: LogIndex? = nil
    ) -> ReplicaRetention {
        let acked = table.withLock { $0.acked[replica] } ?? told
        let log = environment.engine()?.log
        return ReplicaRetention(
            acked: acked, first: log?.first ?? .zero,
            bytesBehind: acked.flatMap { log?.bytes(after: $0) } ?? 0,
            bytesMax: environment.retentionBytesMax, bytesPerSecond: bytesPerSecond)
    }
}
