public import Log

/// How the primary shall move, for the plan of it. Pure values.
public enum PrimaryMove: Equatable, Sendable {
    case switchover(holdMaxMilliseconds: UInt64)
    case failover(FailoverOutlook)
}

/// What a candidate may expect of a failover, by who answers.
public struct FailoverOutlook: Equatable, Sendable {
    /// Who would promise, the candidate among them.
    public var promisers: [NodeName]
    public var promisesNeeded: Int
    /// Nodes with a role that do not answer.
    public var silent: [NodeName]
    /// Who has entries that the candidate lacks, and how many.
    public var tail: (node: NodeName, entries: UInt64)?
    /// What only silent nodes may have; nil: nothing that was acknowledged.
    public var loss: PossibleLoss?

    public init(
        promisers: [NodeName], promisesNeeded: Int, silent: [NodeName],
        tail: (node: NodeName, entries: UInt64)? = nil, loss: PossibleLoss? = nil
    ) {
        self.promisers = promisers
        self.promisesNeeded = promisesNeeded
        self.silent = silent
        self.tail = tail
        self.loss = loss
    }

    public static func == (a: FailoverOutlook, b: FailoverOutlook) -> Bool {
        a.promisers == b.promisers && a.promisesNeeded == b.promisesNeeded
            && a.silent == b.silent && a.loss == b.loss && a.tail?.node == b.tail?.node
            && a.tail?.entries == b.tail?.entries
    }
}

/// What only nodes have that do not answer, as last known. It is a floor: what they wrote since they
/// were last heard is counted by ``unheardSeconds`` alone.
public struct PossibleLoss: Equatable, Sendable {
    /// Nil: none of the silent nodes was ever heard, or they had nothing more then, and that is too long
    /// ago to say anything of what they have written since.
    public var entries: UInt64?
    /// By the mean size of an entry here; nil as ``entries``.
    public var bytes: UInt64?
    /// Since the silent node that is furthest was last heard.
    public var unheardSeconds: Double?

    /// A node that runs is heard each second, so one that was heard within so long had hardly time to
    /// write more.
    public static let freshSeconds = 1.5

    /// Whether there may be more than what is counted here.
    public var isFloor: Bool { unheardSeconds.map { $0 > PossibleLoss.freshSeconds } ?? true }

    public init(entries: UInt64?, bytes: UInt64?, unheardSeconds: Double?) {
        self.entries = entries
        self.bytes = bytes
        self.unheardSeconds = unheardSeconds
    }

    /// Of silent nodes, of which `heard` are the ends of their histories and their ages, where one
    /// was ever heard. `furthest` is the end of the longest history among those who answer.
    public init(
        heard: [(index: LogIndex, ageSeconds: Double)], furthest: LogIndex, entryBytes: Double?
    ) {
        guard let last = heard.max(by: { $0.index < $1.index }) else {
            self.init(entries: nil, bytes: nil, unheardSeconds: nil)
            return
        }
        let counted = last.index > furthest ? last.index.distance(past: furthest) : 0
        let isOld = last.ageSeconds > PossibleLoss.freshSeconds
        guard counted > 0 || !isOld else {
            self.init(entries: nil, bytes: nil, unheardSeconds: last.ageSeconds)
            return
        }
        self.init(
            entries: counted, bytes: entryBytes.map { UInt64(Double(counted) * $0) },
            unheardSeconds: last.ageSeconds)
    }

    public var evidence: [ChangePlan.Evidence] {
        [
            entries.map {
                ChangePlan.Evidence(name: "entries", value: Double($0), isMeasured: !isFloor)
            },
            bytes.map {
                ChangePlan.Evidence(
                    name: "bytes", value: Double($0), isMeasured: $0 == 0 && !isFloor)
            },
            unheardSeconds.map { .measured("seconds", $0) },
        ].compactMap { $0 }
    }
}
