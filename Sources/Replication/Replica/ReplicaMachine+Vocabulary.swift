public import Log
public import Platform
public import Topology

extension ReplicaMachine {
    public enum State: Equatable, Sendable {
        case connecting
        case handshake
        case streaming
        case fullSync(FullSyncReason, FullSyncStage)
        /// The last attempt failed.
        case backoff(Retry)
        /// The upstream went silent.
        case stalled(Retry)
        /// The topology of this version does not have this node as the upstream's replica.
        case detached(TopologyVersion)
        /// A node of this version's reign has taken over from the one that is followed here.
        case fenced(TopologyVersion)
        case stopped

        public var word: ReplicaStateWord {
            switch self {
            case .connecting: .connecting
            case .handshake: .handshake
            case .streaming: .streaming
            case .fullSync: .fullSync
            case .backoff: .backoff
            case .stalled: .stalled
            case .detached: .detached
            case .fenced: .fenced
            case .stopped: .stopped
            }
        }
    }

    public struct Retry: Equatable, Sendable {
        public var attempt: Int
        public var nextRetryAt: MonotonicTime
        public var lastError: LinkError
    }

    public enum Event: Equatable, Sendable {
        /// Time has passed: looks at the deadlines.
        case tick
        case connected
        case answered(HandshakeAnswer)
        /// Entries up to here, the last one of this reign, are applied.
        case applied(Position, Reign)
        case heartbeat(Beat)
        /// The source waits for an acknowledgement.
        case ackWanted
        /// The full sync does this now.
        case stage(FullSyncStage)
        /// The full sync has fetched some bytes.
        case fetched
        /// The new state is open and stands here, at an entry of this reign.
        case loaded(Position, Reign)
        /// The new state serves.
        case swapped
        case failed(Failure)
        case told(Told, TopologyVersion)
        /// This node believes in a newer topology.
        case learned(TopologyVersion)
        case stop
    }

    /// What a refusing node may say of this one.
    public enum Told: Equatable, Sendable {
        case removed
        case fenced
    }

    /// What of a heartbeat counts here.
    public struct Beat: Equatable, Sendable {
        public var originIndex: LogIndex
        public var reign: Reign
        /// Whether the origin is the upstream itself, so that it can be held to its position.
        public var isUpstream: Bool
        /// Whether the origin said so within the last seconds.
        public var isFresh: Bool

        public init(originIndex: LogIndex, reign: Reign, isUpstream: Bool, isFresh: Bool) {
            self.originIndex = originIndex
            self.reign = reign
            self.isUpstream = isUpstream
            self.isFresh = isFresh
        }
    }

    public enum HandshakeAnswer: Equatable, Sendable {
        /// The stream follows. `last` is where the upstream stands.
        case accepted(reign: Reign?, last: LogIndex)
        /// 410. The hints say what of this node's entries the upstream's history has not.
        case notRetained(HistoryHints? = nil, detail: String)
        /// 409 `history-diverged`; nil: the upstream gave no hints.
        case diverged(HistoryHints?, detail: String)
        /// Any other refusal, with the upstream's hints where it gave some.
        case refused(code: String, detail: String, HistoryHints?)
    }

    public enum Failure: Equatable, Sendable {
        case unreachable(String)
        case silent(Silence)
        case refused(String, String)
        /// What came is not what a source sends.
        case badData(String)
        /// This node could not do its part.
        case local(String, String)

        /// Entries that only this node has could not be copied: nothing may be replaced.
        public static func tailNotKept(_ detail: String) -> Failure {
            .local(tailNotKeptCode, detail)
        }

        static let tailNotKeptCode = "diverged-not-kept"

        public enum Silence: Equatable, Sendable { case connect, idle, total }

        var isSilence: Bool {
            switch self {
            case .silent(.idle), .silent(.total): true
            case .silent(.connect), .unreachable, .refused, .badData, .local: false
            }
        }

        /// Whether the way to the upstream failed, not what came on it.
        var isOfTheWay: Bool {
            switch self {
            case .silent, .unreachable: true
            case .refused, .badData, .local: false
            }
        }

        func error(at now: MonotonicTime) -> LinkError {
            switch self {
            case .unreachable(let detail): LinkError(code: "unreachable", detail: detail, at: now)
            case .silent(.connect):
                LinkError(
                    code: "connect-timeout",
                    detail: "no connection within \(ReplicaMachine.connectMax)", at: now)
            case .silent(.idle):
                LinkError(
                    code: "idle-timeout",
                    detail: "nothing came from the upstream for \(ReplicaMachine.idleMax)", at: now)
            case .silent(.total):
                LinkError(
                    code: "stall-timeout", detail: "no progress for \(ReplicaMachine.stallMax)",
                    at: now)
            case .refused(let code, let detail): LinkError(code: code, detail: detail, at: now)
            case .badData(let detail): LinkError(code: "bad-data", detail: detail, at: now)
            case .local(let code, let detail): LinkError(code: code, detail: detail, at: now)
            }
        }
    }

    public enum Action: Equatable, Sendable {
        case connect(deadline: MonotonicTime)
        case openStream(after: Position)
        /// Takes a snapshot, or goes on with one that was begun.
        case startFullSync(FullSyncReason)
        /// Copies the entries that the upstream's history has not, before anything is replaced.
        case keepDivergedTail(HistoryHints?)
        /// What was fetched so far is of no use.
        case dropStaging
        /// Makes the new state the one that serves.
        case swap
        case acknowledge(atOnce: Bool)
        case closeLink
        case wait(until: MonotonicTime)
    }
}
