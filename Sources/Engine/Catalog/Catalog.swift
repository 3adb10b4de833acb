public import Log
public import Platform
public import Topology

/// The part of the state that is kept in memory too: namespaces, tokens, topology, operations.
///
/// A value: whoever has one sees one moment. It changes only by ``apply(key:value:)`` with a
/// record of an entry, or of the database when the engine opens: the two are the same bytes.
///
/// Invariants
///  1. ``digest`` is the sum of the hashes of all records.
///  2. `names` holds exactly the names of `namespaces`, each with its id.
///  3. What a record decodes to encodes to the same bytes.
///  4. `owned` holds exactly the ids of `tokens`, by what they open.
///  5. `counters` holds those of `namespaces`, and no others.
///
/// Each entry leaves a new version while readers hold older ones; the tables share what they can.
public struct Catalog: Sendable {
    public private(set) var namespaces = SortedTable<NamespaceID, Namespace>()
    public private(set) var tokens = SortedTable<String, TokenRecord>()
    private var owned = SortedTable<OwnedToken, Bool>()
    public private(set) var operations: [String: OperationRecord] = [:]
    public private(set) var topology: TopologyDocument?
    /// The encoded documents of all kept generations.
    private var topologyHistory: [Generation: [UInt8]] = [:]
    /// In order of time.
    public private(set) var reigns: [ReignStart] = []
    private var sequences: [UInt8: UInt64] = [:]
    private(set) var names = SortedTable<NamespaceName, NamespaceID>()
    private(set) var counters = CounterTable()
    public private(set) var lineage: Lineage?
    /// See ``UnheardChanges``; nil when no change ever had to be heard.
    public private(set) var heardGeneration: Generation?
    public private(set) var audit = AuditHead.empty
    public private(set) var digest: Hash128 = .zero

    /// Where a reign began.
    public struct ReignStart: Equatable, Sendable {
        public var reign: Reign
        public var firstIndex: LogIndex
    }

    public init() {}

    /// The catalog that `records` amount to, each a database key with its value and no key twice.
    init(loading records: (_ add: ([UInt8], [UInt8]) throws(CatalogFault) -> Void) throws -> Void)
        throws
    {
        var catalog = Catalog()
        try records { key, value throws(CatalogFault) in
            try catalog.apply(key: key, value: value)
        }
        self = catalog
    }

    public func namespace(named name: NamespaceName) -> Namespace? {
        names[name].flatMap { namespaces[$0] }
    }

    public func namespace(_ id: NamespaceID) -> Namespace? { namespaces[id] }

    public func token(_ lookupID: String) -> TokenRecord? { tokens[lookupID] }

    public var namespaceCount: Int { names.count }

    /// Whether a token is needed for everything: once there was an admin token, there is one always.
    public var requiresToken: Bool { !lookupIDs(of: nil).isEmpty }

    /// Tokens of a namespace, or with nil the admin tokens, in order of their making.
    public func tokens(of namespace: NamespaceID?) -> [TokenRecord] {
        lookupIDs(of: namespace).compactMap { tokens[$0] }
            .sorted { ($0.createdAt, $0.lookupID) < ($1.createdAt, $1.lookupID) }
    }

    private func lookupIDs(of namespace: NamespaceID?) -> [String] {
        let first = OwnedToken(namespace: namespace, lookupID: "")
        return owned.entries(from: first, including: true)
            .prefix { $0.key.namespace == first.namespace }.map { $0.key.lookupID }
    }

    /// Tokens of one namespace stand together; admin tokens come first.
    private struct OwnedToken: Comparable, Sendable {
        /// 0 for none: no namespace has it.
        let namespace: UInt32
        let lookupID: String

        init(namespace: NamespaceID?, lookupID: String) {
            self.namespace = namespace?.rawValue ?? 0
            self.lookupID = lookupID
        }

        static func < (a: OwnedToken, b: OwnedToken) -> Bool {
            (a.namespace, a.lookupID) < (b.namespace, b.lookupID)
        }
    }

    /// The document of a generation that is still kept.
    public func topology(of generation: Generation) -> TopologyDocument? {
        topologyHistory[generation].flatMap { TopologyDocument(decoding: $0) }
    }

    /// Kept generations, the newest first.
    public var generations: [Generation] { topologyHistory.keys.sorted(by: >) }

    func nextNumber(_ sequence: CatalogSequence) -> UInt64 { sequences[sequence.rawValue] ?? 1 }

    public var nextNodeNumber: UInt16 {
        UInt16(truncatingIfNeeded: min(nextNumber(.nodeNumber), UInt64(UInt16.max)))
    }

    /// Puts (or, with nil, removes) the record with the database key `key`.
    ///
    /// - Throws: After which the catalog must be dropped.
    mutating func apply(key: [UInt8], value: [UInt8]?) throws(CatalogFault) {
        guard key.count >= 2, key[0] == KeyPrefix.catalog, let kind = CatalogKind(rawValue: key[1])
        else { throw CatalogFault(key: key) }
        let id = Array(key[2...])
        if let old = encodedRecord(kind, id) { digest = digest &- Hash128(of: key + old) }
        guard set(kind, id, value), encodedRecord(kind, id) == value else {
            throw CatalogFault(key: key)
        }
        if let value { digest = digest &+ Hash128(of: key + value) }
    }

    /// The record as it stands on disk.
    private func encodedRecord(_ kind: CatalogKind, _ id: [UInt8]) -> [UInt8]? {
        switch kind {
        case .namespace: NamespaceID(encoded: id).flatMap { namespaces[$0]?.record.encoded() }
        case .token: tokens[String(decoding: id, as: UTF8.self)]?.encoded()
        case .topology: topology?.encoded()
        case .topologyHistory: Generation(encoded: id).flatMap { topologyHistory[$0] }
        case .reign: reigns.first { $0.encodedReign == id }?.encodedIndex
        case .sequence: id.first.flatMap { sequences[$0] }.map { CatalogCodec.word($0) }
        case .operation: operations[String(decoding: id, as: UTF8.self)]?.encoded()
        case .lineage: lineage?.encoded
        case .heardGeneration: heardGeneration?.encoded
        case .auditHead: audit == .empty ? nil : audit.encoded()
        }
    }

    /// Returns false when the record cannot be decoded.
    private mutating func set(_ kind: CatalogKind, _ id: [UInt8], _ value: [UInt8]?) -> Bool {
        switch kind {
        case .namespace:
            return setNamespace(id, value)
        case .token:
            return setToken(id, value)
        case .operation:
            return setKeyed(\.operations, String(decoding: id, as: UTF8.self), value) {
                OperationRecord(id: id, decoding: $0)
            }
        case .topology:
            topology = value.flatMap { TopologyDocument(decoding: $0) }
            return topology != nil
        case .topologyHistory:
            guard let generation = Generation(encoded: id) else { return false }
            return setKeyed(\.topologyHistory, generation, value) {
                TopologyDocument(decoding: $0) == nil ? nil : $0
            }
        case .reign:
            guard let value, let start = ReignStart(encoded: id, index: value) else { return false }
            let place = reigns.partitioningIndex { $0.reign >= start.reign }
            if place < reigns.count, reigns[place].reign == start.reign {
                reigns[place] = start
            } else {
                reigns.insert(start, at: place)
            }
            return true
        case .sequence:
            guard let value, id.count == 1, let word = CatalogCodec.word(value) else {
                return false
            }
            sequences[id[0]] = word
            return true
        case .lineage:
            lineage = value.flatMap { Lineage(encoded: $0) }
            return lineage != nil
        case .heardGeneration:
            heardGeneration = value.flatMap { Generation(encoded: $0) }
            return heardGeneration != nil
        case .auditHead:
            guard let value else {
                audit = .empty
                return true
            }
            guard let head = AuditHead(decoding: value) else { return false }
            audit = head
            return true
        }
    }

    private mutating func setKeyed<RecordKey: Hashable, Value>(
        _ table: WritableKeyPath<Catalog, [RecordKey: Value]>, _ key: RecordKey, _ value: [UInt8]?,
        _ decode: ([UInt8]) -> Value?
    ) -> Bool {
        guard let value else {
            self[keyPath: table][key] = nil
            return true
        }
        guard let decoded = decode(value) else { return false }
        self[keyPath: table][key] = decoded
        return true
    }

    private mutating func setToken(_ id: [UInt8], _ value: [UInt8]?) -> Bool {
        let lookupID = String(decoding: id, as: UTF8.self)
        let new = value.flatMap { TokenRecord(id: id, decoding: $0) }
        guard (new == nil) == (value == nil) else { return false }
        if let old = tokens[lookupID], old.namespace != new?.namespace || new == nil {
            owned[OwnedToken(namespace: old.namespace, lookupID: lookupID)] = nil
        }
        if let new { owned[OwnedToken(namespace: new.namespace, lookupID: lookupID)] = true }
        tokens[lookupID] = new
        return true
    }

    private mutating func setNamespace(_ id: [UInt8], _ value: [UInt8]?) -> Bool {
        guard let id = NamespaceID(encoded: id) else { return false }
        let old = namespaces[id]
        guard let value else {
            if let old {
                names[old.record.name] = nil
                counters.remove(id)
            }
            namespaces[id] = nil
            return true
        }
        guard let record = NamespaceRecord(id: id.encoded, decoding: value),
            names[record.name] ?? id == id
        else { return false }
        if record.name != old?.record.name {
            if let old { names[old.record.name] = nil }
            names[record.name] = id
        }
        namespaces[id] = Namespace(record: record, usage: old?.usage ?? counters.add(id))
        return true
    }
}

extension Array {
    /// The first index whose element, and every later one, fulfils `isReached`.
    func partitioningIndex(_ isReached: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isReached(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
