public import Log
import Platform

/// One write of a ``WriteKeys`` change.
public enum KeyWrite: Equatable, Sendable {
    case put(key: [UInt8], value: [UInt8])
    case delete(key: [UInt8])
}

/// Something that must hold for a ``WriteKeys`` change to be done.
public struct KeyCheck: Equatable, Sendable {
    public enum Expectation: Equatable, Sendable {
        case exists(Bool)
        case version(ValueVersion)
        /// Any of these versions.
        case versions([ValueVersion])
    }

    public var key: [UInt8]
    public var expectation: Expectation
    /// The place in the request, for the answer.
    public var operation: Int

    public init(key: [UInt8], expectation: Expectation, operation: Int) {
        self.key = key
        self.expectation = expectation
        self.operation = operation
    }
}

/// What a write did.
public enum KeyWriteResult: Equatable, Sendable {
    case created(ValueVersion)
    case replaced(ValueVersion)
    case deleted
    case absent
}

/// Writes to keys of one namespace, all or none. Checks are made before the first write.
public struct WriteKeys: Change {
    public typealias Answer = [KeyWriteResult]

    public var namespace: NamespaceName
    public var checks: [KeyCheck]
    public var writes: [KeyWrite]
    /// The token that the request came with; it must still be there.
    public var tokenID: String?
    /// Refuse the whole change when a key to delete is absent.
    public var deletesMustHit: Bool

    public init(
        namespace: NamespaceName, checks: [KeyCheck] = [], writes: [KeyWrite],
        tokenID: String? = nil, deletesMustHit: Bool = false
    ) {
        self.namespace = namespace
        self.checks = checks
        self.writes = writes
        self.tokenID = tokenID
        self.deletesMustHit = deletesMustHit
    }

    public var kind: EntryKind { .data }

    /// What a write adds to the log besides its key and value, at most.
    private static let overheadBytes = 48
    /// What the payload of an entry with one namespace adds, at most.
    private static let payloadOverheadBytes = 32

    public var bytes: Int {
        writes.reduce(WriteKeys.payloadOverheadBytes) { sum, write in
            switch write {
            case .put(let key, let value): sum + key.count + value.count + WriteKeys.overheadBytes
            case .delete(let key): sum + key.count + WriteKeys.overheadBytes
            }
        }
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> [KeyWriteResult] {
        guard let namespace = section.catalog.namespace(named: namespace) else {
            throw .namespaceNotFound(namespace)
        }
        let record = namespace.record
        if let tokenID, section.catalog.tokens[tokenID]?.namespace != record.id {
            throw .tokenRevoked
        }
        guard !record.isReadOnly else { throw .namespaceReadOnly(record.name) }
        guard bytes <= Record.payloadBytesMax else {
            throw .tooLarge(limitBytes: Record.payloadBytesMax)
        }
        for check in checks { try decide(check, record, section) }

        let plan = try planned(record, section)
        try checkQuotas(record, plan, section)
        if !plan.steps.isEmpty { section.setUsage(record.id, plan.usage) }
        return plan.steps.map { step in
            switch step.write {
            case .put(_, let value):
                let version = section.put(step.key, value)
                return step.existed ? .replaced(version) : .created(version)
            case .delete:
                guard step.existed else { return .absent }
                section.delete(step.key)
                return .deleted
            }
        }
    }

    private func decide(
        _ check: KeyCheck, _ record: NamespaceRecord, _ section: DecidingSection
    ) throws(Refusal) {
        let current = try section.head(Key.data(record.id, epoch: record.epoch, check.key))?.version
        let holds =
            switch check.expectation {
            case .exists(let exists): (current != nil) == exists
            case .version(let version): current == version
            case .versions(let versions): current.map(versions.contains) ?? false
            }
        guard holds else { throw .checkFailed(operation: check.operation, current: current) }
    }

    private struct Step {
        let write: KeyWrite
        let key: [UInt8]
        let existed: Bool
    }

    private struct Plan {
        var steps: [Step] = []
        var usage: Usage
        var addsKeys = false
        var addsBytes = false
    }

    /// Works out what each write meets, also what earlier writes of this change leave.
    private func planned(
        _ record: NamespaceRecord, _ section: DecidingSection
    ) throws(Refusal) -> Plan {
        var plan = Plan(usage: section.usage(record.id))
        let before = plan.usage
        var own: [[UInt8]: Int?] = [:]
        for write in writes {
            let userKey: [UInt8]
            let newBytes: Int?
            switch write {
            case .put(let key, let value): (userKey, newBytes) = (key, value.count)
            case .delete(let key): (userKey, newBytes) = (key, nil)
            }
            let key = Key.data(record.id, epoch: record.epoch, userKey)
            let oldBytes = if let known = own[key] { known } else { try section.head(key)?.bytes }
            if newBytes == nil && oldBytes == nil && deletesMustHit { throw .keyNotFound }
            if let oldBytes {
                plan.usage.keys -= 1
                plan.usage.bytes -= UInt64(userKey.count + oldBytes)
            }
            if let newBytes {
                plan.usage.keys += 1
                plan.usage.bytes += UInt64(userKey.count + newBytes)
            }
            if writes.count > 1 { own[key] = .some(newBytes) }
            plan.steps.append(Step(write: write, key: key, existed: oldBytes != nil))
        }
        plan.addsKeys = plan.usage.keys > before.keys
        plan.addsBytes = plan.usage.bytes > before.bytes
        return plan
    }

    /// What frees space is always allowed, also above the limit.
    private func checkQuotas(
        _ record: NamespaceRecord, _ plan: Plan, _ section: DecidingSection
    ) throws(Refusal) {
        let used = section.usage(record.id)
        if let limit = record.quotaKeys, plan.addsKeys, plan.usage.keys > limit {
            throw .quotaExceeded(quota: "quota_keys", limit: limit, used: used.keys)
        }
        if let limit = record.quotaBytes, plan.addsBytes, plan.usage.bytes > limit {
            throw .quotaExceeded(quota: "quota_bytes", limit: limit, used: used.bytes)
        }
    }
}
