import Platform

/// What a writer was told, key by key, so that it can be held against what is there later.
///
/// A write without an answer may have been done or not: both are right, but nothing older may be
/// there than what was acknowledged.
public struct WriteJournal: Sendable {
    private var keys: [String: Entry] = [:]
    public private(set) var acknowledged = 0

    private struct Entry {
        /// Nil: absent.
        var known: [UInt8]?
        /// Attempts without an answer since then.
        var possible: [[UInt8]] = []
    }

    public init() {}

    public var keyNames: [String] { Array(keys.keys) }

    public mutating func attempted(_ key: String, _ value: [UInt8]) {
        keys[key, default: Entry()].possible.append(value)
    }

    /// The last attempt was answered with success.
    public mutating func acknowledged(_ key: String, _ value: [UInt8]) {
        keys[key] = Entry(known: value)
        acknowledged += 1
    }

    /// The last attempt was answered: it was not done.
    public mutating func refused(_ key: String) {
        _ = keys[key]?.possible.popLast()
    }

    /// Holds `found` against what may be there; answers what is wrong, or nil.
    public func fault(at key: String, found: [UInt8]?) -> String? {
        guard let entry = keys[key] else { return "\(key) was never written" }
        if found == entry.known { return nil }
        if let found, entry.possible.contains(found) { return nil }
        let told = { (value: [UInt8]?) in
            value.map { String(decoding: $0.prefix(40), as: UTF8.self) } ?? "nothing"
        }
        return "\(key): acknowledged \(told(entry.known)), found \(told(found))"
    }

    /// Takes in the journal of another writer, who wrote other keys.
    public mutating func merge(_ other: WriteJournal) {
        keys.merge(other.keys) { _, new in new }
        acknowledged += other.acknowledged
    }

    /// Reads every key back and answers what is wrong.
    public func faults(
        at client: TestClient, namespace: String, threads: Int = 4
    ) throws -> [String] {
        let names = keyNames
        let found = try client.values(
            of: names.map { Array($0.utf8) }, in: namespace, threads: threads)
        return zip(names, found).compactMap { fault(at: $0, found: $1) }
    }
}
