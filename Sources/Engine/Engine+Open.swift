public import Log
import Platform
import RocksDB

extension Engine {
    /// Most bytes of log that one write of a replay holds.
    private static let replayChunkBytes = 4 << 20

    /// A new, empty state, without even entry 1.
    public static func create(
        in incarnation: Incarnation, lineage: Lineage, options: EngineOptions
    ) throws(EngineError) -> Engine {
        try engine {
            let log = try EntryLog.create(
                directory: incarnation.logPath, lineage: lineage, after: .origin,
                options: options.log)
            let database = try Database(
                path: incarnation.databasePath, options: databaseOptions(options, mustExist: false))
            return Engine(
                incarnation: incarnation, log: log, database: database,
                state: EngineState(header: .empty, catalog: Catalog()), options: options)
        }
    }

    /// Opens what a process left, replays the log's entries that the state lacks, and says what
    /// was found.
    ///
    /// - Parameters:
    ///   - incarnation: Where database and log are.
    ///   - synced: The last index known to have been on disk; a log that ends before is damaged.
    ///   - diverged: Where bytes of a torn tail are kept.
    ///   - options: How the engine is opened.
    /// - Returns: The engine, and what the log's recovery found and did.
    /// - Throws: What is damaged, or which call failed.
    public static func open(
        _ incarnation: Incarnation, synced: LogIndex, diverged: String, options: EngineOptions
    ) throws(EngineError) -> (engine: Engine, recovery: LogRecovery) {
        try engine {
            let database = try Database(
                path: incarnation.databasePath, options: databaseOptions(options, mustExist: true))
            let state = try loadState(of: database)
            let (log, recovery) = try EntryLog.open(
                directory: incarnation.logPath, state: state.position, syncedIndex: synced,
                keepCutBytesIn: diverged, options: options.log)
            let opened = Engine(
                incarnation: incarnation, log: log, database: database, state: state,
                options: options)
            try opened.replayLog()
            return (opened, recovery)
        }
    }

    /// Opens a database that a full sync fetched, with a new log that begins behind it.
    ///
    /// - Parameters:
    ///   - incarnation: Where the database is, and the log will be.
    ///   - position: What the upstream said the snapshot holds.
    ///   - options: How the engine is opened.
    /// - Returns: An engine whose log is empty.
    /// - Throws: ``EngineError/damaged(_:)`` when the state says something else of itself.
    public static func openSnapshot(
        _ incarnation: Incarnation, expecting position: Position, options: EngineOptions
    ) throws(EngineError) -> Engine {
        try engine {
            let database = try Database(
                path: incarnation.databasePath, options: databaseOptions(options, mustExist: true))
            let state = try loadState(of: database)
            guard state.position == position else {
                throw EngineError.damaged(
                    "the snapshot stands at \(state.position), not at \(position)")
            }
            let log = try EntryLog.create(
                directory: incarnation.logPath, lineage: state.header.lineage,
                after: state.position, options: options.log)
            return Engine(
                incarnation: incarnation, log: log, database: database, state: state,
                options: options)
        }
    }

    /// What a database on disk says of itself: the position of a checkpoint, for its manifest.
    public static func position(ofCheckpoint path: String) throws(EngineError) -> StateHeader {
        try engine {
            var options = DatabaseOptions()
            options.blockCacheBytes = 1 << 20
            let database = try Database(readOnly: path, options: options)
            return try loadHeader(of: database)
        }
    }

    /// *Load state*, the other of the two functions by which a state comes to be.
    static func loadState(of database: Database) throws -> EngineState {
        let header = try loadHeader(of: database)
        let lower = [KeyPrefix.catalog]
        let catalog = try Catalog(loading: { add in
            let iterator = DatabaseIterator(
                database, from: lower, to: Key.end(ofPrefix: lower))
            while iterator.isValid {
                try add(iterator.key, iterator.value)
                iterator.next()
            }
            try iterator.checkFailure()
        })
        guard catalog.digest == header.catalogDigest else {
            throw EngineError.damaged(
                "the catalog does not have the digest that the state names, so its records were "
                    + "changed behind the log's back. Of a replica: move its data directory away and "
                    + "start it empty; its cluster takes it in again. Of a primary: fail over to a "
                    + "replica first (POST /v1/topology/failover there)")
        }
        let iterator = DatabaseIterator(
            database, from: [KeyPrefix.counters], to: Key.end(ofPrefix: [KeyPrefix.counters]))
        while iterator.isValid {
            guard let id = NamespaceID(encoded: Array(iterator.key.dropFirst())),
                let stored = StoredCounters(decoding: iterator.value)
            else { throw EngineError.damaged("a namespace's counters cannot be read") }
            if let namespace = catalog.namespaces[id] {
                namespace.usage.set(stored.usage, lastWriteAt: stored.lastWriteAt)
            }
            iterator.next()
        }
        try iterator.checkFailure()
        catalog.namespaces.forEach { _, namespace in namespace.noteTrouble(at: nil) }
        return EngineState(header: header, catalog: catalog)
    }

    private static func loadHeader(of database: Database) throws -> StateHeader {
        guard let bytes = try database.get(Key.header) else { return .empty }
        guard let header = StateHeader(decoding: bytes) else {
            throw EngineError.damaged("the state's header cannot be read")
        }
        return header
    }

    private static func databaseOptions(
        _ options: EngineOptions, mustExist: Bool
    ) -> DatabaseOptions {
        var database = DatabaseOptions()
        database.mustExist = mustExist
        database.blockCacheBytes = options.blockCacheBytes
        database.memtableBytes = options.memtableBytes
        return database
    }

    private func replayLog() throws {
        guard log.last.index > state.position.index else { return }
        var reader = try log.reader(after: state.position)
        var stream = RecordStream(after: state.position)
        while let chunk = try reader.next(
            bytesMax: Engine.replayChunkBytes, through: log.last.index)
        {
            stream.push(chunk.bytes)
            var records: [Record] = []
            while let frame = try stream.next() {
                guard case .record(let record) = frame else { continue }
                records.append(record)
            }
            try replay(records)
        }
    }
}
