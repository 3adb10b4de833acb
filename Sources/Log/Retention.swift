/// What still needs the log, and how much of it may be kept for whom. Pure: the caller trims.
public struct RetentionNeeds: Sendable {
    /// The last index that the state on disk has: what follows is replayed at a start.
    public var persistedIndex: LogIndex
    /// The position of each leased snapshot: who fetches it asks for what follows.
    public var leasedIndexes: [LogIndex]
    /// What each configured replica's subtree has acknowledged. A replica without a position is not
    /// among them: it needs a snapshot, and its lease then holds the log.
    public var acknowledgedIndexes: [LogIndex]
    /// For how many bytes of log replicas are waited for.
    public var bytesMax: UInt64
    /// What is kept though nobody is known to need it.
    public var bytesMin: UInt64

    public init(
        persistedIndex: LogIndex, leasedIndexes: [LogIndex] = [],
        acknowledgedIndexes: [LogIndex] = [], bytesMax: UInt64 = 8 << 30, bytesMin: UInt64 = 1 << 30
    ) {
        self.persistedIndex = persistedIndex
        self.leasedIndexes = leasedIndexes
        self.acknowledgedIndexes = acknowledgedIndexes
        self.bytesMax = bytesMax
        self.bytesMin = bytesMin
    }

    /// Weighs the needs: the state's and the leases' always hold; a replica's as long as what it
    /// lacks is not more than ``bytesMax``; ``bytesMin`` is for ``EntryLog/trim(keepingFrom:bytesMin:)``.
    ///
    /// - Parameters:
    ///   - first: The log's first retained index. A replica that needs one before it is lost already.
    ///   - last: The log's last index.
    ///   - bytesAfter: How many bytes the entries after an index take.
    /// - Returns: From where to keep, and whom that leaves behind.
    public func decide(
        first: LogIndex, last: LogIndex, bytesAfter: (LogIndex) -> UInt64
    ) -> RetentionDecision {
        var needed = min(persistedIndex, last)
        for index in leasedIndexes { needed = min(needed, index) }
        var abandoned: [LogIndex] = []
        for index in acknowledgedIndexes where index < needed && index.next >= first {
            if bytesAfter(index) > bytesMax { abandoned.append(index) } else { needed = index }
        }
        // Others may need what an abandoned replica lacks, and it may then catch up after all.
        abandoned.removeAll { $0 >= needed }
        return RetentionDecision(keepFrom: needed.next, abandonedIndexes: abandoned.sorted())
    }
}

public struct RetentionDecision: Sendable, Equatable {
    /// Entries below are not needed.
    public var keepFrom: LogIndex
    /// The acknowledged indexes of replicas that the limit leaves behind: they will need a full sync.
    public var abandonedIndexes: [LogIndex]

    /// Whether the limit was hit.
    public var isLimited: Bool { !abandonedIndexes.isEmpty }
}
