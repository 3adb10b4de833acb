public import Log
import Platform

/// One write of a ``WriteKeys`` change.
public enum KeyWrite: Equatable, Sendable {
    /// The value is gone `lifetime` after the entry's time; nil: it stays. What was there before is
    /// replaced with its expiry.
    case put(key: [UInt8], value: [UInt8], lifetime: Duration? = nil)
    case delete(key: [UInt8])
    /// Gives a key another lifetime, or with nil none, and leaves its value.
    case setLifetime(key: [UInt8], Duration?)
    /// Adds to the number that the value is in decimal text; an absent one counts as 0. Its lifetime
    /// goes on.
    case increment(key: [UInt8], by: Int64)
    /// Puts bytes behind the value; an absent one is empty. Its lifetime goes on.
    case append(key: [UInt8], bytes: [UInt8])

    /// The longest lifetime: a hundred years.
    public static let lifetimeMax: Duration = .seconds(100 * 365 * 24 * 3600)

    var key: [UInt8] {
        switch self {
        case .put(let key, _, _), .delete(let key), .setLifetime(let key, _),
            .increment(let key, _), .append(let key, _):
            key
        }
    }
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
    /// `value` is the new number.
    case incremented(ValueVersion, value: Int64, created: Bool)
    /// `bytes` is how long the value is now.
    case appended(ValueVersion, bytes: Int, created: Bool)
}

/// Writes to keys of one namespace, all or none. Checks are made before the first write.
public struct WriteKeys: Change {
    public typealias Answer = [KeyWriteResult]

    public var namespace: NamespaceName
    public var checks: [KeyCheck]
    public var writes: [KeyWrite]
    /// Refuse the whole change when a key to delete, or to give another lifetime, is absent.
    public var mustHit: Bool

    public init(
        namespace: NamespaceName, checks: [KeyCheck] = [], writes: [KeyWrite],
        mustHit: Bool = false
    ) {
        self.namespace = namespace
        self.checks = checks
        self.writes = writes
        self.mustHit = mustHit
    }

    public var kind: EntryKind { .data }

    /// What a write adds to the log besides its key and value, at most.
    private static let overheadBytes = 96
    /// What the payload of an entry with one namespace adds, at most.
    private static let payloadOverheadBytes = 32

    public var bytes: Int {
        writes.reduce(WriteKeys.payloadOverheadBytes) { sum, write in
            // A line of the index of expiries may go, and another one come.
            let known = sum + 3 * write.key.count + WriteKeys.overheadBytes
            switch write {
            case .put(_, let value, _): return known + value.count
            case .append(_, let more): return known + more.count
            case .increment: return known + DecimalText.bytesMax
            case .delete, .setLifetime: return known
            }
        }
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> [KeyWriteResult] {
        guard let namespace = section.catalog.namespace(named: namespace) else {
            throw .namespaceNotFound(namespace)
        }
        let record = namespace.record
        guard !record.isReadOnly else { throw .namespaceReadOnly(record.name) }
        guard bytes <= Record.payloadBytesMax else {
            throw .tooLarge(limitBytes: Record.payloadBytesMax)
        }
        for check in checks { try decide(check, record, section) }

        let plan = try planned(record, section)
        try checkQuotas(record, plan, section)
        // What was not known before: values that stay, or grow, are written anew.
        section.makeRoom(for: bytes + plan.rewrittenBytes)
        if plan.steps.contains(where: { $0.isDone }) { section.setUsage(record.id, plan.usage) }
        var results: [KeyWriteResult] = []
        results.reserveCapacity(plan.steps.count)
        for step in plan.steps { results.append(try perform(step, &section)) }
        return results
    }

    private func perform(
        _ step: Step, _ section: inout DecidingSection
    ) throws(Refusal) -> KeyWriteResult {
        // What an earlier write of this change has left is known only now.
        let old = try section.head(step.key)
        switch step.write {
        case .put(_, let value, let lifetime):
            let expiry = lifetime.map { section.time.advanced(by: $0) }
            let version = section.put(step.key, value, expiry: expiry, replacing: old)
            return step.existed ? .replaced(version) : .created(version)
        case .delete:
            guard old != nil else { return .absent }
            section.delete(step.key, replacing: old)
            return step.existed ? .deleted : .absent
        case .setLifetime(_, let lifetime):
            guard step.existed, let bytes = step.bytes else { return .absent }
            let expiry = lifetime.map { section.time.advanced(by: $0) }
            return .replaced(section.put(step.key, bytes, expiry: expiry, replacing: old))
        case .increment, .append:
            guard let bytes = step.bytes else { return .absent }
            let expiry = step.existed ? old?.expiry : nil
            let version = section.put(step.key, bytes, expiry: expiry, replacing: old)
            if let number = step.number {
                return .incremented(version, value: number, created: !step.existed)
            }
            return .appended(version, bytes: bytes.count, created: !step.existed)
        }
    }

    private func decide(
        _ check: KeyCheck, _ record: NamespaceRecord, _ section: DecidingSection
    ) throws(Refusal) {
        let head = try section.head(Key.data(record.id, epoch: record.epoch, check.key))
        let current = section.isVisible(head) ? head?.version : nil
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
        /// For whoever asks: what has expired did not.
        let existed: Bool
        /// Whether anything is written, or removed.
        let isDone: Bool
        /// The value, where it depends on what was there before.
        var bytes: [UInt8]?
        /// The same of an increment.
        var number: Int64?
    }

    /// What stands under a key in the middle of the change.
    private struct Standing: Equatable {
        var bytes: Int
        var isVisible: Bool
        /// What this change put there.
        var value: [UInt8]?
    }

    private struct Plan {
        var steps: [Step] = []
        var usage: Usage
        var addsKeys = false
        var addsBytes = false
        /// Of values that depend on what was there before.
        var rewrittenBytes = 0
    }

    /// With the answer that may be kept beside it, an entry holds no more.
    private static let rewritingBytesMax = Record.payloadBytesMax - 2 * KeptAnswer.bytesMax

    /// Works out what each write meets, also what earlier writes of this change leave.
    private func planned(
        _ record: NamespaceRecord, _ section: DecidingSection
    ) throws(Refusal) -> Plan {
        var plan = Plan(usage: section.usage(record.id))
        let before = plan.usage
        // What is appended is part of what is rewritten.
        let ownBytes = writes.reduce(bytes) { sum, write in
            if case .append(_, let more) = write { sum - more.count } else { sum }
        }
        var own: [[UInt8]: Standing?] = [:]
        for (place, write) in writes.enumerated() {
            let key = Key.data(record.id, epoch: record.epoch, write.key)
            let old = if let known = own[key] { known } else { try standing(key, section) }
            let isVisible = old?.isVisible ?? false
            let new: Standing?
            var bytes: [UInt8]?
            var number: Int64?
            switch write {
            case .put(_, let value, _):
                new = Standing(bytes: value.count, isVisible: true, value: value)
            case .delete:
                new = nil
            case .setLifetime:
                new = old
                if !isVisible && mustHit { throw .keyNotFound }
                if isVisible { bytes = try value(of: old, key, section) }
            case .increment(_, let step):
                // A longer one is no number, and is not read.
                let isShort = (old?.bytes ?? 0) <= DecimalText.bytesMax
                let before = isVisible && isShort ? try value(of: old, key, section) : []
                let sum = try WriteKeys.sum(before, isThere: isVisible, step, at: place)
                number = sum
                bytes = Array("\(sum)".utf8)
                new = bytes.map { Standing(bytes: $0.count, isVisible: true, value: $0) }
            case .append(_, let more):
                let length = (isVisible ? old?.bytes ?? 0 : 0) + more.count
                guard length <= StoredValue.bytesMax else {
                    throw .writeImpossible(at: place, .valueTooLarge)
                }
                try WriteKeys.checkRewriting(plan.rewrittenBytes + length)
                bytes = (isVisible ? try value(of: old, key, section) : []) + more
                new = bytes.map { Standing(bytes: $0.count, isVisible: true, value: $0) }
            }
            plan.rewrittenBytes += bytes?.count ?? 0
            if bytes != nil { try WriteKeys.checkRewriting(plan.rewrittenBytes + ownBytes) }
            if !isVisible && mustHit && new == nil { throw .keyNotFound }
            let keyBytes = write.key.count
            if let old { plan.usage.subtract(keyBytes + old.bytes) }
            if let new { plan.usage.add(keyBytes + new.bytes) }
            if writes.count > 1 { own[key] = .some(new) }
            let isDone = old != nil || new != nil
            plan.steps.append(
                Step(
                    write: write, key: key, existed: isVisible, isDone: isDone, bytes: bytes,
                    number: number))
        }
        plan.addsKeys = plan.usage.keys > before.keys
        plan.addsBytes = plan.usage.bytes > before.bytes
        return plan
    }

    private static func checkRewriting(_ bytes: Int) throws(Refusal) {
        guard bytes <= rewritingBytesMax else { throw .tooLarge(limitBytes: rewritingBytesMax) }
    }

    private static func sum(
        _ value: [UInt8], isThere: Bool, _ step: Int64, at place: Int
    ) throws(Refusal) -> Int64 {
        guard isThere else { return step }
        guard let number = DecimalText.number(value) else {
            throw .writeImpossible(at: place, .notANumber)
        }
        let (sum, overflows) = number.addingReportingOverflow(step)
        guard !overflows else { throw .writeImpossible(at: place, .overflow) }
        return sum
    }

    private func value(
        of standing: Standing?, _ key: [UInt8], _ section: DecidingSection
    ) throws(Refusal) -> [UInt8] {
        if let own = standing?.value { return own }
        return try section.storedBytes(key)
    }

    private func standing(
        _ key: [UInt8], _ section: DecidingSection
    ) throws(Refusal) -> Standing? {
        guard let head = try section.head(key) else { return nil }
        return Standing(bytes: head.bytes, isVisible: section.isVisible(head))
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

extension Usage {
    /// One key less, with its value.
    mutating func subtract(_ bytes: Int) {
        keys -= 1
        self.bytes -= UInt64(bytes)
    }

    mutating func add(_ bytes: Int) {
        keys += 1
        self.bytes += UInt64(bytes)
    }
}
