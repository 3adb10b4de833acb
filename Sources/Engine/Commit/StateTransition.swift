import Log
import Platform
import RocksDB

/// What a group of entries does to the state: built entry by entry, written as one batch.
///
/// *Apply entry*, one of the two functions by which a state comes to be. The primary, a replica,
/// and a boot that replays its log all use it, so the same entries give the same state.
///
/// Invariants
///  1. Entries are added in log order, without gaps: each follows `header.position`.
///  2. `catalog` and `header` are what the database will say once ``batch()`` is written.
struct StateTransition {
    private(set) var catalog: Catalog
    private(set) var header: StateHeader
    /// The counters that the group leaves behind, of the namespaces that it touched.
    private(set) var usages: [NamespaceID: Usage] = [:]
    /// When the group wrote to them last, of those to which somebody wrote.
    private(set) var writtenAt: [NamespaceID: UnixMilliseconds] = [:]
    /// What the group leaves on disk that nobody can reach any more.
    private(set) var dead: [DeadRange] = []
    /// Of the entries that changed something that people are told of.
    private(set) var differences: [EntryDifferences] = []
    /// The chain hashes of the entries that carried requests out, by the request's hash.
    private var answered: [[UInt8]: Hash128] = [:]
    private var operations: [UInt8]
    private var operationCount: UInt32 = 0

    static let batchHeaderBytes = 12

    /// Of what the entries write.
    var operationBytes: Int { operations.count - StateTransition.batchHeaderBytes }

    init(from state: EngineState) {
        catalog = state.catalog
        header = state.header
        operations = [UInt8](repeating: 0, count: StateTransition.batchHeaderBytes)
    }

    func usage(_ namespace: NamespaceID) -> Usage {
        usages[namespace] ?? catalog.namespaces[namespace]?.currentUsage ?? Usage()
    }

    /// - Throws: ``EngineError/notNext(_:)``, after which the transition must be dropped.
    mutating func add(_ record: Record) throws(EngineError) {
        guard let payload = EntryPayload(decoding: record.payload) else {
            throw .notNext("entry \(record.position.index) has a payload that cannot be read")
        }
        try add(record, payload)
    }

    mutating func add(_ record: Record, _ payload: EntryPayload) throws(EngineError) {
        let index = record.position.index
        guard index == header.position.index.next else {
            throw .notNext("entry \(index) does not follow \(header.position.index)")
        }
        guard record.previousHash == header.position.hash else {
            throw .notNext("entry \(index) follows another history than \(header.position)")
        }
        guard record.reign >= header.reign else {
            throw .notNext("entry \(index) of reign \(record.reign) is below \(header.reign)")
        }
        guard record.time >= header.time else {
            throw .notNext("entry \(index) is older than the one before")
        }

        switch record.kind {
        case .data:
            let writes = WriteOperations.dataWrites(
                payload.bytes, in: payload.operationsRange, count: payload.operationCount)
            guard let writes else {
                throw .notNext("entry \(index) holds writes that data entries cannot have")
            }
            if writes.hasAnswers {
                for operation in payload.operations() ?? [] { note(operation, of: record) }
            }
        case .birth, .catalog, .topology, .handover, .barrier, .verify:
            try applyToCatalog(record, payload)
        }
        operations.append(contentsOf: payload.bytes[payload.operationsRange])
        operationCount += payload.operationCount
        for counter in payload.counters {
            usages[counter.namespace] = counter.usage
            if counter.isWrite { writtenAt[counter.namespace] = record.time }
        }
        header.position = record.position
        header.reign = record.reign
        header.time = record.time
    }

    private mutating func applyToCatalog(
        _ record: Record, _ payload: EntryPayload
    ) throws(EngineError) {
        let index = record.position.index
        var told = EntryDifferences(index: index, time: record.time)
        guard let operations = payload.operations() else {
            throw .notNext("entry \(index) holds writes that cannot be read")
        }
        var touched = false
        for operation in operations {
            switch operation {
            case .put(let key, let value) where key.first == KeyPrefix.catalog:
                try applyRecord(index, key, value, &told)
                touched = true
            case .delete(let key) where key.first == KeyPrefix.catalog:
                try applyRecord(index, key, nil, &told)
                touched = true
            case .deleteRange(let from, let to)
            where from.first == KeyPrefix.data && to.first == KeyPrefix.data
                && from.lexicographicallyPrecedes(to):
                if let range = DeadRange(from: from, to: to, endedBy: index) { dead.append(range) }
            case .delete(let key) where key.first == KeyPrefix.counters: break
            case .put(let key, _) where key.first == KeyPrefix.answers,
                .delete(let key) where key.first == KeyPrefix.answers:
                note(operation, of: record)
            case .put(let key, _) where key.first == KeyPrefix.audit && key.count == 9: break
            case .delete(let key) where key.first == KeyPrefix.audit && key.count == 9: break
            case .put, .delete, .deleteRange:
                throw .notNext("entry \(index) writes where entries of its kind cannot")
            }
        }
        if !told.all.isEmpty { differences.append(told) }
        if touched {
            header.catalogIndex = index
            header.catalogDigest = catalog.digest
            header.lineage = catalog.lineage ?? header.lineage
        }
    }

    /// Takes note of the entry's own hash for the answers that it keeps.
    private mutating func note(_ operation: WriteOperation, of record: Record) {
        switch operation {
        case .put(let key, _):
            if let hash = Key.requestHash(ofAnswer: key) { answered[hash] = record.position.hash }
        case .delete(let key):
            if let hash = Key.requestHash(ofAnswer: key) { answered[hash] = nil }
        case .deleteRange:
            break
        }
    }

    private mutating func applyRecord(
        _ index: LogIndex, _ key: [UInt8], _ value: [UInt8]?, _ told: inout EntryDifferences
    ) throws(EngineError) {
        do throws(CatalogFault) {
            let difference = try catalog.applyTelling(key: key, value: value)
            if let difference { told.all.append(difference) }
        } catch {
            throw .notNext("entry \(index): \(error)")
        }
    }

    /// The group as one batch in RocksDB's format, with the counters and the new position.
    func batch() -> [UInt8] {
        var tail = WriteOperations()
        for (id, usage) in usages {
            guard let namespace = catalog.namespaces[id] else { continue }
            let stored = StoredCounters(
                usage: usage, lastWriteAt: writtenAt[id] ?? namespace.lastWriteAt)
            tail.put(Key.counters(id), stored.encoded())
        }
        for (hash, chainHash) in answered {
            var writer = ByteWriter(capacity: 16)
            writer.hash128(chainHash)
            tail.put(Key.answerChainHash(hash), writer.bytes)
        }
        tail.put(Key.header, header.encoded())
        var batch = ByteWriter()
        batch.bytes = operations
        batch.append(tail.bytes)
        batch.overwriteLittle(at: 8, operationCount + tail.count)
        return batch.bytes
    }
}
