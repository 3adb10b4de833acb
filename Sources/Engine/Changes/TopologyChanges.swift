public import Log
public import Platform
public import Topology

/// What became of a change of the topology.
public struct TopologyOutcome: Sendable {
    /// The document that counts now.
    public let document: TopologyDocument
    public let hasChanged: Bool
    /// The operation that carries it out, when one was asked for and there is something to do.
    public let operation: OperationRecord?
}

/// Replaces the topology document, and begins the operation that carries the change out.
public struct ChangeTopology: Change {
    public typealias Make =
        @Sendable (_ current: TopologyDocument, _ nextNumber: NodeNumber, _ note: ChangeNote) ->
        Result<TopologyChange, TopologyFaults>

    /// Kept documents, the current one included.
    public static let historyMax: UInt64 = 1_000

    /// Must accept the fingerprint of the document to be replaced; nil accepts any.
    public var expects: (@Sendable (Hash128) -> Bool)?
    public var changedBy: String
    public var reason: String?
    public var make: Make
    /// Begun in the same entry, also when the document stays the same.
    public var operation: OperationRecord?
    /// The last entry of a reign, which grants the next one to another node.
    public var isHandover: Bool

    public init(
        changedBy: String, reason: String? = nil, expects: (@Sendable (Hash128) -> Bool)? = nil,
        operation: OperationRecord? = nil, isHandover: Bool = false, make: @escaping Make
    ) {
        self.isHandover = isHandover
        self.changedBy = changedBy
        self.reason = reason
        self.expects = expects
        self.operation = operation
        self.make = make
    }

    public var kind: EntryKind { isHandover ? .handover : .topology }
    public var bytes: Int { 64 << 10 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> TopologyOutcome {
        guard let current = section.catalog.topology, let lineage = section.catalog.lineage else {
            throw .storageFailed("the state has no topology")
        }
        if let expects, !expects(current.fingerprint(in: lineage)) {
            throw .topologyChanged(current)
        }
        let note = ChangeNote(at: section.time, by: changedBy, reason: reason)
        let next = NodeNumber(rawValue: section.catalog.nextNodeNumber)
        switch make(current, next, note) {
        case .failure(let faults):
            throw .topologyInvalid(faults.all)
        case .success(.unchanged):
            if let operation { section.putOperation(operation) }
            return TopologyOutcome(document: current, hasChanged: false, operation: operation)
        case .success(.changed(let document)):
            section.putTopology(document, opensReign: document.reign != current.reign)
            if let operation { section.putOperation(operation) }
            return TopologyOutcome(document: document, hasChanged: true, operation: operation)
        }
    }
}

/// Entry 1: a cluster of one node, with the namespace that always exists.
public struct Birth: Change {
    public var lineage: Lineage
    public var founder: NodeRecord

    public init(lineage: Lineage, founder: NodeRecord) {
        self.lineage = lineage
        self.founder = founder
    }

    public var kind: EntryKind { .birth }
    public var bytes: Int { 1024 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> TopologyDocument {
        invariant(section.index == LogIndex(1), "a birth at \(section.index)")
        section.putRecord(.lineage, [], lineage.encoded)
        section.putNamespace(
            NamespaceRecord(id: .default, name: .default, createdAt: section.time))
        section.putRecord(
            .sequence, [CatalogSequence.namespaceID.rawValue],
            CatalogCodec.word(UInt64(NamespaceID.default.rawValue) + 1))
        let document = TopologyDocument.founding(
            founder, note: ChangeNote(at: section.time, by: "birth"))
        section.putTopology(document, opensReign: true)
        return document
    }
}

/// A node that left its cluster founds one of its own on the history that it has. The new lineage
/// keeps it from ever outranking the cluster that it came from.
public struct Fork: Change {
    public var lineage: Lineage
    public var reign: Reign
    public var founder: NodeRecord
    public var operation: OperationRecord

    public init(lineage: Lineage, reign: Reign, founder: NodeRecord, operation: OperationRecord) {
        self.lineage = lineage
        self.reign = reign
        self.founder = founder
        self.operation = operation
    }

    public var kind: EntryKind { .topology }
    public var bytes: Int { 4096 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> TopologyDocument {
        guard let current = section.catalog.topology else {
            throw .storageFailed("the state has no topology")
        }
        section.putRecord(.lineage, [], lineage.encoded)
        let document = TopologyDocument.founding(
            founder, term: reign.term, generation: current.generation.next,
            note: ChangeNote(at: section.time, by: operation.createdBy, reason: operation.reason))
        section.putTopology(document, opensReign: true)
        section.putOperation(operation)
        return document
    }
}

/// Writes down that changes of the topology up to a generation are known to as many as must know
/// them, for the primaries to come.
public struct NoteHeardGeneration: Change {
    public var generation: Generation

    public init(_ generation: Generation) { self.generation = generation }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 64 }
    public var waitsForReplicas: Bool { false }

    public func decide(_ section: inout DecidingSection) throws(Refusal) {
        guard section.catalog.heardGeneration.map({ $0 < generation }) ?? true else { return }
        section.putRecord(.heardGeneration, [], generation.encoded)
    }
}

/// Nothing but a position to wait for.
public struct Barrier: Change {
    public init() {}

    public var kind: EntryKind { .barrier }
    public var bytes: Int { 64 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) {}
}

/// Begins an operation, or ends one. What has ended stays as it ended: several may come to end it.
public struct PutOperation: Change {
    /// Kept operations; the oldest that have ended go first.
    public static let countMax = 10_000
    public static let ageMax: Duration = .seconds(30 * 24 * 3600)

    public var record: OperationRecord
    /// For the audit, when somebody has ended it; else it went its way by itself.
    public var author: ChangeAuthor?

    public init(_ record: OperationRecord, author: ChangeAuthor? = nil) {
        self.record = record
        self.author = author
    }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 512 }
    /// What goes on must be told also while replicas are missing.
    public var waitsForReplicas: Bool { false }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> OperationRecord {
        if let known = section.catalog.operations[record.id], known.state != .running {
            return known
        }
        if let author { section.attribute(to: author) }
        section.putOperation(record)
        return record
    }
}

extension DecidingSection {
    mutating func putTopology(_ document: TopologyDocument, opensReign: Bool) {
        let encoded = document.encoded()
        putRecord(.topology, [], encoded)
        putRecord(.topologyHistory, document.generation.encoded, encoded)
        let generation = document.generation.rawValue
        if generation > ChangeTopology.historyMax {
            // All that are older: a claim that becomes the document may skip generations.
            let oldest = Generation(generation - ChangeTopology.historyMax)
            for old in catalog.generations.reversed().prefix(while: { $0 <= oldest }) {
                removeRecord(.topologyHistory, old.encoded)
            }
        }
        let next = document.nextNumber(after: NodeNumber(rawValue: catalog.nextNodeNumber))
        if next.rawValue != catalog.nextNodeNumber {
            putRecord(
                .sequence, [CatalogSequence.nodeNumber.rawValue],
                CatalogCodec.word(UInt64(next.rawValue)))
        }
        if opensReign {
            let start = Catalog.ReignStart(reign: document.reign, firstIndex: index)
            putRecord(.reign, start.encodedReign, start.encodedIndex)
        }
    }

    mutating func putOperation(_ record: OperationRecord) {
        putRecord(.operation, Array(record.id.utf8), record.encoded())
        let oldest = UnixMilliseconds(
            rawValue: time.rawValue
                - min(
                    time.rawValue, UInt64(PutOperation.ageMax.wholeMilliseconds)))
        var ended = catalog.operations.values.filter { $0.state != .running && $0.id != record.id }
        let excess = catalog.operations.count + 1 - PutOperation.countMax
        guard excess > 0 || ended.contains(where: { $0.createdAt < oldest }) else { return }
        ended.sort { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        for (place, operation) in ended.enumerated()
        where place < excess || operation.createdAt < oldest {
            removeRecord(.operation, Array(operation.id.utf8))
        }
    }
}
