public import Log
public import Platform

/// What a change would do, before it is made. Computed from what is known; nothing is asked.
public struct TopologyPlan: Equatable, Sendable {
    public var steps: [Step]
    public var risks: [Finding]
    /// What keeps the change from being made, or from being of use.
    public var blockers: [Finding]

    /// Whether nothing would be appended.
    public var isNoOp: Bool { steps.isEmpty && blockers.isEmpty }

    public struct Step: Equatable, Sendable {
        public enum Code: String, CaseIterable, Sendable {
            case appendTopology = "append-topology"
            case addNode = "add-node"
            case removeNode = "remove-node"
            case changeAddress = "change-address"
            case startLink = "start-link"
            case endLink = "end-link"
            case moveLink = "move-link"
            case movePrimary = "move-primary"
            case setMinInSync = "set-min-in-sync"
        }

        public let code: Code
        /// Nil for a step of the whole cluster.
        public let node: NodeName?
        public let detail: String
    }

    /// A risk or a blocker, with its evidence and how to lower it.
    public struct Finding: Equatable, Sendable {
        public enum Code: String, CaseIterable, Sendable {
            case fullSyncRequired = "full-sync-required"
            case reducedRedundancy = "reduced-redundancy"
            case linkRestarts = "link-restarts"
            case writesWait = "writes-wait"
            case nodeUnreachable = "node-unreachable"
            case otherCluster = "other-cluster"
            case staleObservation = "stale-observation"
            case upstreamNotStreaming = "upstream-not-streaming"
            case diskSpace = "disk-space"
            case dataLoss = "data-loss"
            case candidateInFullSync = "candidate-in-full-sync"
            case candidateNotFollowing = "candidate-not-following"
            /// A fault of the wanted document.
            case invalid
        }

        public let code: Code
        public let node: NodeName?
        /// What it rests on, in words.
        public let detail: String
        public let evidence: [Evidence]
        /// How to lower the risk, or to lift the blocker.
        public let remedy: String
    }

    /// A number with its unit in its name, as in `data_bytes`.
    public struct Evidence: Equatable, Sendable {
        public let name: String
        public let value: Double
        /// Whether the number was measured; it is an estimate otherwise.
        public let isMeasured: Bool
    }

    public init(steps: [Step] = [], risks: [Finding] = [], blockers: [Finding] = []) {
        self.steps = steps
        self.risks = risks
        self.blockers = blockers
    }

    /// The plan of a request that is at fault: nothing but blockers.
    public init(blockedBy faults: TopologyFaults) {
        self.init(
            blockers: faults.all.map {
                Finding(
                    code: .invalid, node: nil, detail: "\($0.pointer): \($0.detail)", evidence: [],
                    remedy: "correct \($0.pointer.isEmpty ? "the request" : $0.pointer)")
            })
    }
}

/// What the planning node knows of itself and the data; nil where it does not.
public struct PlanningFacts: Equatable, Sendable {
    public var now: UnixMilliseconds
    /// Of the primary's log.
    public var lastIndex: LogIndex?
    /// The oldest entry that the primary's log still has.
    public var firstIndex: LogIndex?
    /// What a full sync transfers.
    public var dataBytes: UInt64?
    /// Of the last full sync that was seen; estimated from ``assumedSyncBytesPerSecond`` if nil.
    public var syncBytesPerSecond: UInt64?

    public static let assumedSyncBytesPerSecond: UInt64 = 100_000_000
    /// Older than this, an observation is stale.
    public static let observationAgeMax = Duration.seconds(3)

    public init(
        now: UnixMilliseconds, lastIndex: LogIndex? = nil, firstIndex: LogIndex? = nil,
        dataBytes: UInt64? = nil, syncBytesPerSecond: UInt64? = nil
    ) {
        self.now = now
        self.lastIndex = lastIndex
        self.firstIndex = firstIndex
        self.dataBytes = dataBytes
        self.syncBytesPerSecond = syncBytesPerSecond
    }
}
