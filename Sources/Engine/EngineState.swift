public import Log
public import Platform

/// What the engine's state was at one position. Immutable: whoever holds one sees one moment, and
/// nobody waits for anybody.
public final class EngineState: Sendable {
    public let header: StateHeader
    public let catalog: Catalog

    init(header: StateHeader, catalog: Catalog) {
        self.header = header
        self.catalog = catalog
    }

    public var position: Position { header.position }
}

/// How an engine is opened.
public struct EngineOptions: Sendable {
    public var log = LogOptions()
    /// Bytes of the database's blocks kept in memory.
    public var blockCacheBytes = 128 << 20
    /// Bytes of writes that the state keeps in memory before it begins to write them to a file; some
    /// times as much of the log is replayed at worst, and kept.
    public var memtableBytes = 16 << 20
    /// Called when the log or the database failed in the middle of a write. Must not return: what
    /// is on disk is unknown, and only a restart, which replays the log, makes it known again.
    public var stopProcess: @Sendable (String) -> Never = { reason in fatalError(reason) }

    /// The machine's clock; another one in tests.
    public var wallClock: @Sendable () -> UnixMilliseconds = { .now() }

    public init() {}
}
