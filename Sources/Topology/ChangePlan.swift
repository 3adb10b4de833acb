/// What a change would do, before it is made. Computed from what is known; nothing is asked.
public struct ChangePlan: Equatable, Sendable {
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
            case fullSync = "full-sync"
            // Of a switchover.
            case catchUp = "catch-up"
            case holdWrites = "hold-writes"
            case handOver = "hand-over"
            // Of a failover.
            case collectPromises = "collect-promises"
            case takeTail = "take-tail"
            case openReign = "open-reign"
            /// A detached node founds a cluster of its own.
            case fork
            // Of one node alone.
            case claimUpstream = "claim-upstream"
            case limitFullSync = "limit-full-sync"
            // Of one namespace.
            case flushNamespace = "flush-namespace"
            case deleteNamespace = "delete-namespace"
        }

        public let code: Code
        /// Nil for a step of the whole cluster.
        public let node: NodeName?
        public let detail: String

        public init(_ code: Code, _ node: NodeName?, _ detail: String) {
            self.code = code
            self.node = node
            self.detail = detail
        }
    }

    /// A risk, or a reason for which the change would be refused, with its evidence and how to lower
    /// or lift it.
    public struct Finding: Error, Equatable, Sendable {
        /// A word of the HTTP contract. Of a blocker: the code with which the change itself would be
        /// refused, be it a problem's, a fault's of the document, or a veto's of a node, which may be
        /// of a newer version. So the set is open.
        public struct Code: RawRepresentable, Hashable, Sendable {
            public let rawValue: String
            public init(rawValue: String) { self.rawValue = rawValue }

            public static let fullSyncRequired = Code(rawValue: "full-sync-required")
            public static let reducedRedundancy = Code(rawValue: "reduced-redundancy")
            public static let linkRestarts = Code(rawValue: "link-restarts")
            public static let writesWait = Code(rawValue: "writes-wait")
            public static let writePause = Code(rawValue: "write-pause")
            public static let nodeUnreachable = Code(rawValue: "node-unreachable")
            public static let otherCluster = Code(rawValue: "other-cluster")
            public static let staleObservation = Code(rawValue: "stale-observation")
            public static let upstreamNotStreaming = Code(rawValue: "upstream-not-streaming")
            public static let diskSpace = Code(rawValue: "disk-space")
            public static let primaryAnswers = Code(rawValue: "primary-answers")
            public static let dataLoss = Code(rawValue: "data-loss")
            public static let inUse = Code(rawValue: "in-use")
            public static let tokensEnd = Code(rawValue: "tokens-end")
        }

        public let code: Code
        public let node: NodeName?
        /// What it rests on, in words.
        public let detail: String
        public let evidence: [Evidence]
        /// How to lower the risk, or to lift the blocker.
        public let remedy: String

        public init(
            _ code: Code, _ node: NodeName?, _ detail: String, evidence: [Evidence] = [],
            remedy: String
        ) {
            self.code = code
            self.node = node
            self.detail = detail
            self.evidence = evidence
            self.remedy = remedy
        }
    }

    /// A number with its unit in its name, as in `data_bytes`.
    public struct Evidence: Equatable, Sendable {
        public let name: String
        public let value: Double
        /// Whether the number was measured; it is an estimate otherwise.
        public let isMeasured: Bool

        public init(name: String, value: Double, isMeasured: Bool) {
            self.name = name
            self.value = value
            self.isMeasured = isMeasured
        }

        public static func measured(_ name: String, _ value: UInt64) -> Evidence {
            Evidence(name: name, value: Double(value), isMeasured: true)
        }

        public static func measured(_ name: String, _ value: Double) -> Evidence {
            Evidence(name: name, value: value, isMeasured: true)
        }
    }

    public init(steps: [Step] = [], risks: [Finding] = [], blockers: [Finding] = []) {
        self.steps = steps
        self.risks = risks
        self.blockers = blockers
    }

    /// The plan of a request that is at fault: nothing but blockers.
    public init(blockedBy faults: TopologyFaults) {
        self.init(blockers: faults.all.map(Finding.init(_:)))
    }
}

extension ChangePlan.Finding {
    /// A fault of what was asked for.
    public init(_ fault: TopologyFault) {
        let place = fault.pointer.isEmpty ? "the request" : fault.pointer
        self.init(
            Code(rawValue: fault.code.rawValue), nil,
            fault.pointer.isEmpty ? fault.detail : "\(fault.pointer): \(fault.detail)",
            remedy: "correct \(place)")
    }
}
