/// When an appended entry is on disk.
public enum SyncPolicy: String, Sendable, CaseIterable {
    /// Before its append returns: nothing acknowledged is lost in a power cut.
    case always
    /// When the caller calls ``EntryLog/sync()``, every second.
    case interval
    /// When the operating system likes, and at a roll.
    case os
}

/// How a log is kept.
public struct LogOptions: Sendable {
    /// A segment that would grow beyond this is closed and the next one begun. A group of records
    /// that is larger gets a segment of its own.
    public var segmentBytesMax: UInt64
    public var syncPolicy: SyncPolicy

    public init(segmentBytesMax: UInt64 = 64 << 20, syncPolicy: SyncPolicy = .interval) {
        self.segmentBytesMax = segmentBytesMax
        self.syncPolicy = syncPolicy
    }
}
