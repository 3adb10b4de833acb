public import Log
public import Platform
import RocksDB

/// One incarnation of the state, open: the log, the database that it amounts to, and the catalog.
///
/// The only ways to get one are ``create(in:lineage:options:)``, ``open(_:synced:diverged:options:)``
/// and ``openSnapshot(_:expecting:options:)``, and each has read the catalog before it returns. So
/// there is no database without its catalog, and a full sync swaps both by swapping one reference.
///
/// Reads come from any thread and may block on the disk. Entries come from one writer at a time:
/// a ``Committer`` while this node is primary, or ``apply(_:encoded:)`` while it follows. The
/// database is closed with the last reference.
public final class Engine: Sendable {
    public let incarnation: Incarnation
    public let log: EntryLog
    let database: Database
    let options: EngineOptions
    private let published: Monitor<EngineState>
    private let clock: Monitor<StateClock>
    private let observers = Monitor<[@Sendable (EngineState) -> Void]>([])
    private let listeners = Monitor<[@Sendable ([EntryDifferences]) -> Void]>([])
    /// Whether a ``Committer`` has the right to append.
    private let isCommitting = Monitor(false)
    let reclaim = Monitor(Reclaim())

    init(
        incarnation: Incarnation, log: EntryLog, database: Database, state: EngineState,
        options: EngineOptions
    ) {
        self.incarnation = incarnation
        self.log = log
        self.database = database
        self.options = options
        published = Monitor(state)
        clock = Monitor(StateClock(state.header.time, at: .now()))
    }

    /// The state as of the last entry applied. Never blocks on the disk.
    public var state: EngineState { published.withLock { $0 } }

    /// What has expired by this time is gone for whoever reads. Never goes back.
    public var time: UnixMilliseconds { clock.withLock { $0.time(at: .now()) } }

    /// Calls `observer` after each group of entries, on the writer's thread. It must be quick.
    public func observe(_ observer: @escaping @Sendable (EngineState) -> Void) {
        observers.withLock { $0.append(observer) }
    }

    /// Calls `listener` with what entries have done to records that people are told of, on the
    /// writer's thread. It must be quick.
    public func listen(_ listener: @escaping @Sendable ([EntryDifferences]) -> Void) {
        listeners.withLock { $0.append(listener) }
    }

    /// Appends entries that an upstream sent, and applies them. One thread at a time.
    ///
    /// - Parameters:
    ///   - records: Verified against the chain, from the next one on.
    ///   - encoded: Their bytes, as they came.
    /// - Throws: ``EngineError/notNext(_:)``, with nothing done. A disk that fails stops the process.
    public func apply(_ records: [Record], encoded: [UInt8]) throws(EngineError) {
        invariant(!isCommitting.withLock { $0 }, "a primary applies entries of an upstream")
        var transition = StateTransition(from: state)
        for record in records { try transition.add(record) }
        perform(transition, records, encoded: encoded)
    }

    /// Appends `records` to the log and writes what they do to the database, then shows it.
    func perform(_ transition: StateTransition, _ records: [Record], encoded: [UInt8]?) {
        do {
            try log.append(records, encoded: encoded)
            try database.write(batch: transition.batch())
        } catch {
            options.stopProcess("cannot write entry \(transition.header.position.index): \(error)")
        }
        publish(transition)
    }

    /// Writes entries that the log already holds to the database.
    func replay(_ records: [Record]) throws(EngineError) {
        var transition = StateTransition(from: state)
        for record in records { try transition.add(record) }
        try engine { try database.write(batch: transition.batch()) }
        publish(transition)
    }

    private func publish(_ transition: StateTransition) {
        let state = EngineState(header: transition.header, catalog: transition.catalog)
        for (namespace, usage) in transition.usages {
            state.catalog.namespaces[namespace]?.usage.set(
                usage, lastWriteAt: transition.writtenAt[namespace])
        }
        let differences = transition.differences + softQuotaDifferences(transition)
        clock.withLock { $0.advance(to: state.header.time, at: .now()) }
        published.withLock { $0 = state }
        noteDead(transition.dead)
        for observer in observers.withLock({ $0 }) { observer(state) }
        guard !differences.isEmpty else { return }
        for listener in listeners.withLock({ $0 }) { listener(differences) }
    }

    func beginCommitting() {
        isCommitting.withLock {
            invariant(!$0, "two committers on one engine")
            $0 = true
        }
    }

    func endCommitting() { isCommitting.withLock { $0 = false } }

    /// The last entry that the database's files hold; later ones need the log at the next boot.
    public func persistedIndex() throws(EngineError) -> LogIndex {
        try engine {
            guard let bytes = try database.getPersisted(Key.header) else { return .zero }
            guard let header = StateHeader(decoding: bytes) else {
                throw EngineError.damaged("the state's header cannot be read")
            }
            return header.position.index
        }
    }

    /// Writes what the database holds in memory to its files. Blocks.
    public func flush() throws(EngineError) { try engine { try database.flush() } }

    /// Copies the state, by hard links, to `path`, which must not exist. Blocks.
    public func checkpoint(to path: String) throws(EngineError) {
        try engine { try database.checkpoint(to: path) }
    }
}
