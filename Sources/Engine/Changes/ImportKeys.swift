public import Log
public import Platform

/// One line of an import.
public struct ImportedKey: Equatable, Sendable {
    public var key: [UInt8]
    public var value: [UInt8]
    /// When the value is gone; nil: it stays.
    public var expiry: UnixMilliseconds?

    public init(key: [UInt8], value: [UInt8], expiry: UnixMilliseconds? = nil) {
        self.key = key
        self.value = value
        self.expiry = expiry
    }
}

/// What became of a line.
public enum ImportOutcome: Equatable, Sendable {
    case created(ValueVersion)
    case replaced(ValueVersion)
    /// The key was there, and stays as it is.
    case skipped
    /// Its time was over; nothing was done.
    case expired
    /// `quota` names the limit; nothing was done.
    case refused(quota: String, limit: UInt64, used: UInt64)
    /// A line before it was refused, and that ended it.
    case notTried
}

/// Puts keys one by one, each as far as the namespace's quotas go: some may be refused, and the others
/// are there. All that are put are so in one entry.
public struct ImportKeys: Change {
    public typealias Answer = [ImportOutcome]

    /// The one that it began with, whatever that is called by now.
    public var namespace: NamespaceID
    /// What it was called then.
    public var name: NamespaceName
    public var lines: [ImportedKey]
    /// Whether a key that is there gets the line's value.
    public var replaces: Bool
    /// Whether nothing is done from the first refused line on.
    public var stopsAtRefusal: Bool

    public init(
        namespace: NamespaceID, name: NamespaceName, lines: [ImportedKey], replaces: Bool,
        stopsAtRefusal: Bool
    ) {
        self.namespace = namespace
        self.name = name
        self.lines = lines
        self.replaces = replaces
        self.stopsAtRefusal = stopsAtRefusal
    }

    public var kind: EntryKind { .data }

    public var bytes: Int {
        // Two lines of the index of expiries, and what the store adds.
        lines.reduce(32) { $0 + 3 * $1.key.count + $1.value.count + 96 }
    }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> [ImportOutcome] {
        guard let namespace = section.catalog.namespace(namespace) else {
            throw .namespaceNotFound(name)
        }
        let record = namespace.record
        guard !record.isReadOnly else { throw .namespaceReadOnly(record.name) }
        guard bytes <= Record.payloadBytesMax else {
            throw .tooLarge(limitBytes: Record.payloadBytesMax)
        }
        // Reads, which can fail, come before the first write.
        var heads: [[UInt8]: StoredValueHead?] = [:]
        let keys = lines.map { Key.data(record.id, epoch: record.epoch, $0.key) }
        for key in keys where heads[key] == nil { heads[key] = .some(try section.head(key)) }

        section.makeRoom(for: bytes)
        var usage = section.usage(record.id)
        var outcomes: [ImportOutcome] = []
        outcomes.reserveCapacity(lines.count)
        var hasEnded = false
        var hasPut = false
        for (line, key) in zip(lines, keys) {
            guard !hasEnded else {
                outcomes.append(.notTried)
                continue
            }
            let old = heads[key] ?? nil
            if let obstacle = obstacle(to: line, old, record, &usage, section) {
                if case .refused = obstacle { hasEnded = stopsAtRefusal }
                outcomes.append(obstacle)
                continue
            }
            let version = section.put(key, line.value, expiry: line.expiry, replacing: old)
            heads[key] = .some(
                StoredValueHead(version: version, expiry: line.expiry, bytes: line.value.count))
            hasPut = true
            outcomes.append(section.isVisible(old) ? .replaced(version) : .created(version))
        }
        if hasPut { section.setUsage(record.id, usage) }
        return outcomes
    }

    /// Nil when the line is to be put: then `usage` has it.
    private func obstacle(
        to line: ImportedKey, _ old: StoredValueHead?, _ record: NamespaceRecord,
        _ usage: inout Usage, _ section: DecidingSection
    ) -> ImportOutcome? {
        if section.isVisible(old), !replaces { return .skipped }
        if let expiry = line.expiry, expiry <= section.time { return .expired }
        var next = usage
        if let old { next.subtract(line.key.count + old.bytes) }
        next.add(line.key.count + line.value.count)
        if let limit = record.quotaKeys, next.keys > usage.keys, next.keys > limit {
            return .refused(quota: "quota_keys", limit: limit, used: usage.keys)
        }
        if let limit = record.quotaBytes, next.bytes > usage.bytes, next.bytes > limit {
            return .refused(quota: "quota_bytes", limit: limit, used: usage.bytes)
        }
        usage = next
        return nil
    }
}
