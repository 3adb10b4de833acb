public import Log
public import Platform

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
    /// How fast the primary's log grows at present.
    public var writeBytesPerSecond: Double?
    /// For how long writes stood in the last switchovers, in milliseconds; empty: none was seen.
    public var pauses: [Double] = []

    public static let assumedSyncBytesPerSecond: UInt64 = 100_000_000
    /// What a switchover's pause is taken for while none was measured.
    public static let assumedPauseMilliseconds: Double = 50
    /// Older than this, an observation is stale.
    public static let observationAgeMax = Duration.seconds(3)

    public init(
        now: UnixMilliseconds, lastIndex: LogIndex? = nil, firstIndex: LogIndex? = nil,
        dataBytes: UInt64? = nil, syncBytesPerSecond: UInt64? = nil,
        writeBytesPerSecond: Double? = nil, pauses: [Double] = []
    ) {
        self.now = now
        self.lastIndex = lastIndex
        self.firstIndex = firstIndex
        self.dataBytes = dataBytes
        self.syncBytesPerSecond = syncBytesPerSecond
        self.writeBytesPerSecond = writeBytesPerSecond
        self.pauses = pauses
    }
}
