public import Log
import Platform

/// A namespace to be made, with the hash of its first token.
public struct NamespaceSeed: Sendable {
    public var name: NamespaceName
    public var quotaKeys: UInt64?
    public var quotaBytes: UInt64?
    public var softQuotaKeys: UInt64?
    public var softQuotaBytes: UInt64?
    public var requestsPerSecondMax: UInt64?
    public var token: TokenSeed?

    public init(
        name: NamespaceName, quotaKeys: UInt64? = nil, quotaBytes: UInt64? = nil,
        softQuotaKeys: UInt64? = nil, softQuotaBytes: UInt64? = nil,
        requestsPerSecondMax: UInt64? = nil, token: TokenSeed? = nil
    ) {
        self.name = name
        self.softQuotaKeys = softQuotaKeys
        self.softQuotaBytes = softQuotaBytes
        self.requestsPerSecondMax = requestsPerSecondMax
        self.quotaKeys = quotaKeys
        self.quotaBytes = quotaBytes
        self.token = token
    }
}

/// Makes namespaces, all or none.
public struct CreateNamespaces: Change {
    /// How many one entry may make.
    public static let countMax = 10_000

    public var seeds: [NamespaceSeed]

    public init(_ seeds: [NamespaceSeed]) { self.seeds = seeds }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { seeds.count * 256 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> [NamespaceRecord] {
        guard seeds.count <= CreateNamespaces.countMax else {
            throw .limitReached("\(CreateNamespaces.countMax) namespaces in one change")
        }
        var seen: Set<NamespaceName> = []
        var there: [Int: NamespaceName] = [:]
        for (place, seed) in seeds.enumerated()
        where section.catalog.namespace(named: seed.name) != nil
            || !seen.insert(seed.name).inserted
        {
            there[place] = seed.name
        }
        if let first = there.first {
            throw seeds.count == 1 ? .namespaceExists(first.value) : .namespacesExist(there)
        }
        guard section.catalog.nextNumber(.namespaceID) + UInt64(seeds.count) < UInt64(UInt32.max)
        else { throw .limitReached("namespace ids") }
        let first = section.takeNumber(.namespaceID, count: UInt64(seeds.count))
        return seeds.enumerated().map { offset, seed in
            let record = NamespaceRecord(
                id: NamespaceID(rawValue: UInt32(first) + UInt32(offset)), name: seed.name,
                createdAt: section.time, quotaKeys: seed.quotaKeys, quotaBytes: seed.quotaBytes,
                softQuotaKeys: seed.softQuotaKeys, softQuotaBytes: seed.softQuotaBytes,
                requestsPerSecondMax: seed.requestsPerSecondMax)
            section.putNamespace(record)
            if let token = seed.token {
                section.putToken(
                    TokenRecord(
                        lookupID: token.lookupID, namespace: record.id, algorithm: token.algorithm,
                        hash: token.hash, createdAt: section.time))
            }
            return record
        }
    }
}

/// Changes a namespace's name, quotas, or whether it is read-only. Its data is untouched.
public struct UpdateNamespace: Change {
    /// A field that is left alone, or set (to nothing, when the value is nil).
    public enum Setting<Value: Sendable>: Sendable {
        case keep
        case set(Value)
    }

    public var name: NamespaceName
    public var newName: Setting<NamespaceName> = .keep
    public var quotaKeys: Setting<UInt64?> = .keep
    public var quotaBytes: Setting<UInt64?> = .keep
    public var softQuotaKeys: Setting<UInt64?> = .keep
    public var softQuotaBytes: Setting<UInt64?> = .keep
    public var requestsPerSecondMax: Setting<UInt64?> = .keep
    public var isReadOnly: Setting<Bool> = .keep

    public init(name: NamespaceName) { self.name = name }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 256 }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> NamespaceRecord {
        guard let namespace = section.catalog.namespace(named: name) else {
            throw .namespaceNotFound(name)
        }
        var record = namespace.record
        if case .set(let newName) = newName, newName != name {
            guard name != .default else { throw .namespaceIsPermanent(name) }
            guard section.catalog.namespace(named: newName) == nil else {
                throw .namespaceExists(newName)
            }
            record.name = newName
        }
        if case .set(let limit) = quotaKeys { record.quotaKeys = limit }
        if case .set(let limit) = quotaBytes { record.quotaBytes = limit }
        if case .set(let limit) = softQuotaKeys { record.softQuotaKeys = limit }
        if case .set(let limit) = softQuotaBytes { record.softQuotaBytes = limit }
        if case .set(let limit) = requestsPerSecondMax { record.requestsPerSecondMax = limit }
        if case .set(let readOnly) = isReadOnly { record.isReadOnly = readOnly }
        if record != namespace.record { section.putNamespace(record) }
        return record
    }
}

/// Empties a namespace in one step, whatever it holds: later keys have another epoch.
public struct FlushNamespace: Change {
    public var name: NamespaceName

    public init(name: NamespaceName) { self.name = name }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 256 }

    /// What would be emptied, as `catalog` is now.
    public func target(in catalog: Catalog) throws(Refusal) -> Namespace {
        guard let namespace = catalog.namespace(named: name) else {
            throw .namespaceNotFound(name)
        }
        guard !namespace.record.isReadOnly else { throw .namespaceReadOnly(name) }
        guard namespace.record.epoch < UInt32.max else {
            throw .limitReached("epochs of a namespace")
        }
        return namespace
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> NamespaceRecord {
        var record = try target(in: section.catalog).record
        record.epoch += 1
        section.putNamespace(record)
        section.deleteRange(
            from: Key.data(record.id, epoch: 0, []),
            to: Key.data(record.id, epoch: record.epoch, []))
        section.setUsage(record.id, Usage())
        return record
    }
}

/// Removes a namespace with its data and tokens.
public struct DeleteNamespace: Change {
    public var name: NamespaceName

    public init(name: NamespaceName) { self.name = name }

    public var kind: EntryKind { .catalog }
    public var bytes: Int { 256 }

    /// What would be removed, as `catalog` is now.
    public func target(in catalog: Catalog) throws(Refusal) -> Namespace {
        guard name != .default else { throw .namespaceIsPermanent(name) }
        guard let namespace = catalog.namespace(named: name) else {
            throw .namespaceNotFound(name)
        }
        return namespace
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> NamespaceRecord {
        let namespace = try target(in: section.catalog)
        let id = namespace.record.id
        section.removeRecord(.namespace, id.encoded)
        for token in section.catalog.tokens(of: id) {
            section.removeRecord(.token, Array(token.lookupID.utf8))
        }
        section.deleteCounters(id)
        section.deleteRange(
            from: Key.data(id, epoch: 0, []),
            to: Key.data(NamespaceID(rawValue: id.rawValue + 1), epoch: 0, []))
        return namespace.record
    }
}

extension DecidingSection {
    mutating func putNamespace(_ record: NamespaceRecord) {
        putRecord(.namespace, record.id.encoded, record.encoded())
    }
}
