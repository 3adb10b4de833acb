public import Log
public import Platform
import RocksDB
import Topology

/// Something that one entry does, decided at its place in the log.
public protocol Change: Sendable {
    associatedtype Answer: Sendable

    /// Of the entry. Changes of kind ``EntryKind/data`` that come together share one.
    var kind: EntryKind { get }

    /// Roughly what the change adds to the log, for the bounds of the queue.
    var bytes: Int { get }

    /// Whether its answer waits for as many replicas as the topology demands of every write.
    var waitsForReplicas: Bool { get }

    /// Reads the state, and either refuses before it has written anything, or writes.
    func decide(_ section: inout DecidingSection) throws(Refusal) -> Answer
}

extension Change {
    public var waitsForReplicas: Bool {
        switch kind {
        case .data, .catalog, .barrier, .verify: true
        case .topology, .handover, .birth: false
        }
    }
}

/// The one place where it is decided what an entry does: at its place in the log, against the state
/// as all earlier entries leave it, also those of the same group.
///
/// Invariants
///  1. ``record`` closes what was written into one entry; nothing is written after a refusal.
///  2. The overlay holds every data key that the group wrote, so a read never sees older state.
public struct DecidingSection {
    private let database: Database
    private let reign: Reign
    private(set) var transition: StateTransition
    private(set) var records: [Record] = []
    private var overlay: [[UInt8]: StoredValueHead?] = [:]
    /// Of the values that the group wrote.
    private var overlayBytes: [[UInt8]: [UInt8]] = [:]
    /// The same of what stands beside data and catalog; whole, by key.
    private var asideOverlay: [[UInt8]: [UInt8]?] = [:]
    private var operations = WriteOperations()
    private var usages: [NamespaceID: EntryCounters] = [:]
    /// What the entry writes to the catalog, in order.
    private var catalogWrites: [(kind: CatalogKind, id: [UInt8], value: [UInt8]?)] = []
    /// Who asks for the change being decided; nil when only the change itself may know.
    private var author: ChangeAuthor?
    /// What the audit calls the change being decided; nil: by what it writes.
    private var action: String?
    /// Of all entries of the group: never below the last entry's.
    public let time: UnixMilliseconds

    init(engine: Engine, reign: Reign, now: UnixMilliseconds) {
        database = engine.database
        self.reign = reign
        let state = engine.state
        transition = StateTransition(from: state)
        time = max(now, state.header.time)
    }

    /// As all earlier entries leave it.
    public var catalog: Catalog { transition.catalog }
    public var header: StateHeader { transition.header }
    /// The entry being decided.
    public var index: LogIndex { transition.header.position.index.next }

    /// Of the entry being decided.
    var openBytes: Int { operations.bytes.count }
    var openWrites: UInt32 { operations.count }

    func usage(_ namespace: NamespaceID) -> Usage {
        usages[namespace]?.usage ?? transition.usage(namespace)
    }

    /// What a namespace holds from this entry on. With `isWrite` it was written to now.
    mutating func setUsage(_ namespace: NamespaceID, _ usage: Usage, isWrite: Bool = true) {
        let wasWrite = usages[namespace]?.isWrite ?? false
        usages[namespace] = EntryCounters(
            namespace: namespace, usage: usage, isWrite: isWrite || wasWrite)
    }

    /// What stands under a data key.
    func head(_ key: [UInt8]) throws(Refusal) -> StoredValueHead? {
        if let known = overlay[key] { return known }
        do {
            guard
                let (prefix, count) = try database.getPrefix(
                    key, prefixBytes: StoredValue.headBytesMax)
            else { return nil }
            guard let head = StoredValueHead(decoding: prefix, encodedBytes: count) else {
                throw Refusal.storageFailed("a stored value cannot be read")
            }
            return head
        } catch {
            throw .storageFailed("\(error)")
        }
    }

    /// Whether a stored value is there for whoever asks now. One that has expired still takes its
    /// place, and counts, until it is removed.
    func isVisible(_ head: StoredValueHead?) -> Bool {
        head.map { $0.expiry.map { $0 > time } ?? true } ?? false
    }

    /// The bytes under a data key that ``head(_:)`` has found, and that this entry has not written.
    func storedBytes(_ key: [UInt8]) throws(Refusal) -> [UInt8] {
        if let known = overlayBytes[key] { return known }
        do {
            guard let encoded = try database.get(key), let value = StoredValue(decoding: encoded)
            else { throw Refusal.storageFailed("a stored value cannot be read") }
            return value.bytes
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw .storageFailed("\(error)")
        }
    }

    /// Puts a value where `old` was, and keeps the index of expiries in step.
    ///
    /// - Returns: The version that the value gets.
    mutating func put(
        _ key: [UInt8], _ bytes: [UInt8], expiry: UnixMilliseconds? = nil,
        replacing old: StoredValueHead?
    ) -> ValueVersion {
        let version = ValueVersion(index: index, ordinal: operations.count)
        let value = StoredValue(version: version, expiry: expiry, bytes: bytes)
        operations.put(key, value.encoded())
        let head = StoredValueHead(version: version, expiry: expiry, bytes: bytes.count)
        moveExpiry(of: key, from: old?.expiry, to: expiry)
        overlay[key] = .some(head)
        // Another change of the group may ask for them; most do not.
        overlayBytes[key] = bytes
        return version
    }

    mutating func delete(_ key: [UInt8], replacing old: StoredValueHead?) {
        operations.delete(key)
        moveExpiry(of: key, from: old?.expiry, to: nil)
        overlay[key] = .some(nil)
        overlayBytes[key] = nil
    }

    private mutating func moveExpiry(
        of key: [UInt8], from old: UnixMilliseconds?, to new: UnixMilliseconds?
    ) {
        guard old != new else { return }
        if let old { operations.delete(ExpiryKey(expiry: old, dataKey: key).encoded) }
        if let new { operations.put(ExpiryKey(expiry: new, dataKey: key).encoded, []) }
    }

    mutating func deleteExpiryLine(_ line: ExpiryKey) { operations.delete(line.encoded) }

    /// What stands under a key that is neither of data nor of the catalog.
    func aside(_ key: [UInt8]) throws(Refusal) -> [UInt8]? {
        if let known = asideOverlay[key] { return known }
        do {
            return try database.get(key)
        } catch {
            throw .storageFailed("\(error)")
        }
    }

    mutating func putAside(_ key: [UInt8], _ value: [UInt8]) {
        operations.put(key, value)
        asideOverlay[key] = .some(value)
    }

    mutating func removeAside(_ key: [UInt8]) {
        operations.delete(key)
        asideOverlay[key] = .some(nil)
    }

    mutating func deleteRange(from start: [UInt8], to end: [UInt8]) {
        operations.deleteRange(from: start, to: end)
    }

    mutating func deleteCounters(_ namespace: NamespaceID) {
        operations.delete(Key.counters(namespace))
    }

    mutating func putRecord(_ kind: CatalogKind, _ id: [UInt8], _ value: [UInt8]) {
        operations.put(Key.catalog(kind, id), value)
        catalogWrites.append((kind, id, value))
    }

    mutating func removeRecord(_ kind: CatalogKind, _ id: [UInt8]) {
        operations.delete(Key.catalog(kind, id))
        catalogWrites.append((kind, id, nil))
    }

    /// Takes the next of the numbers that are never used twice.
    mutating func takeNumber(_ sequence: CatalogSequence, count: UInt64 = 1) -> UInt64 {
        let first = catalog.nextNumber(sequence)
        putRecord(.sequence, [sequence.rawValue], CatalogCodec.word(first + count))
        return first
    }

    /// Of the group so far.
    var groupBytes: Int { transition.operationBytes + openBytes }

    /// Closes the entry that the changes before have written, when `bytes` more would make it too large.
    /// For data whose size comes out only when it is decided; before a change's first write, and after
    /// its last refusal.
    mutating func makeRoom(for bytes: Int) {
        guard openBytes > 0, openBytes + bytes > Committer.entryBytesMax else { return }
        record(.data)
    }

    /// Says who asks for the change being decided.
    mutating func attribute(to author: ChangeAuthor) { self.author = author }

    /// Says what the change being decided is, where its writes alone do not.
    mutating func call(_ action: String) { self.action = action }

    /// Tells the audit what the entry changes: every entry that writes to the catalog passes here.
    private mutating func writeAudit() {
        var description = AuditDescription(catalog)
        for write in catalogWrites { description.note(write.kind, write.id, write.value) }
        guard !description.changes.isEmpty else { return }
        var author = author ?? description.author
        // A document may have the reason that the request's header has not.
        author.reason = author.reason ?? description.author.reason
        let head = catalog.audit
        let record = AuditRecord(
            number: head.last + 1, after: transition.header.position, time: time,
            author: author, action: action ?? description.action,
            changes: description.changes, omitted: description.omitted, previous: head.chain)
        let bytes = record.encoded()
        let next = head.following(bytes)
        operations.put(Key.audit(next.last), bytes)
        for number in head.first..<next.first { operations.delete(Key.audit(number)) }
        operations.put(Key.catalog(.auditHead, []), next.encoded())
    }

    /// Closes what was written into an entry. Without writes there is none, but for barriers.
    mutating func record(_ kind: EntryKind) {
        defer {
            operations = WriteOperations()
            usages = [:]
            catalogWrites = []
            author = nil
            action = nil
        }
        if !catalogWrites.isEmpty { writeAudit() }
        guard operations.count > 0 || kind == .barrier else { return }
        let counters = usages.values.sorted { $0.namespace < $1.namespace }
        let payload = EntryPayload(counters: counters, operations: operations)
        let record = Record(
            after: transition.header.position, reign: reign, kind: kind, time: time,
            payload: payload.bytes)
        do {
            try transition.add(record, payload)
        } catch {
            fatalError("invariant broken: our own entry cannot be applied: \(error)")
        }
        records.append(record)
    }
}
