import Log
import Platform

/// What a namespace holds: exact, moved in the batch of the entry that changes it.
public struct Usage: Equatable, Sendable {
    public var keys: UInt64
    /// Of all keys and values, without what the store adds.
    public var bytes: UInt64

    public init(keys: UInt64 = 0, bytes: UInt64 = 0) {
        self.keys = keys
        self.bytes = bytes
    }

    static let encodedBytes = 16

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Usage.encodedBytes)
        writer.little(keys)
        writer.little(bytes)
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let keys: UInt64 = reader.little(), let total: UInt64 = reader.little(),
            reader.isAtEnd
        else { return nil }
        self.init(keys: keys, bytes: total)
    }
}

/// The counters of a namespace as the state keeps them: `keys u64 | bytes u64`, and, if there was one,
/// the time of its last write as `ms u64`.
struct StoredCounters: Equatable, Sendable {
    var usage: Usage
    var lastWriteAt: UnixMilliseconds?

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Usage.encodedBytes + 8)
        writer.append(usage.encoded())
        if let lastWriteAt { writer.little(lastWriteAt.rawValue) }
        return writer.bytes
    }
}

extension StoredCounters {
    init?(decoding bytes: [UInt8]) {
        guard let usage = Usage(decoding: Array(bytes.prefix(Usage.encodedBytes))) else {
            return nil
        }
        var reader = ByteReader(Array(bytes.dropFirst(Usage.encodedBytes)))
        if reader.isAtEnd {
            self.init(usage: usage, lastWriteAt: nil)
            return
        }
        guard let time: UInt64 = reader.little(), reader.isAtEnd else { return nil }
        self.init(usage: usage, lastWriteAt: UnixMilliseconds(rawValue: time))
    }
}

/// What an entry leaves of one namespace's counters.
public struct EntryCounters: Equatable, Sendable {
    public var namespace: NamespaceID
    public var usage: Usage
    /// Somebody wrote; else values have expired.
    public var isWrite: Bool

    public init(namespace: NamespaceID, usage: Usage, isWrite: Bool = true) {
        self.namespace = namespace
        self.usage = usage
        self.isWrite = isWrite
    }
}

/// The payload of an entry: the counters it leaves behind, then its writes.
///
/// Little-endian: `format u8 = 1 | operation count u32 | counter count u32 |
/// (namespace u32, keys u64, bytes u64)… | operations` in the format of ``WriteOperations``. The
/// highest bit of `keys` is set when nobody wrote, and values have only expired.
public struct EntryPayload: Sendable {
    public var counters: [EntryCounters]
    public var operationCount: UInt32
    /// The whole payload.
    public var bytes: [UInt8]
    /// Where in `bytes` the operations stand.
    public var operationsRange: Range<Int>

    static let formatVersion: UInt8 = 1
    private static let expiredBit: UInt64 = 1 << 63

    init(counters: [EntryCounters], operations: WriteOperations) {
        var writer = ByteWriter(capacity: 9 + counters.count * 20 + operations.bytes.count)
        writer.little(EntryPayload.formatVersion)
        writer.little(operations.count)
        writer.little(UInt32(counters.count))
        for counter in counters {
            writer.little(counter.namespace.rawValue)
            writer.little(counter.usage.keys | (counter.isWrite ? 0 : EntryPayload.expiredBit))
            writer.little(counter.usage.bytes)
        }
        let start = writer.bytes.count
        writer.append(operations.bytes)
        self.counters = counters
        operationCount = operations.count
        bytes = writer.bytes
        operationsRange = start..<writer.bytes.count
    }

    /// Reads the head of a payload. The operations are checked by whoever applies them.
    public init?(decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let format: UInt8 = reader.little(), format == EntryPayload.formatVersion,
            let operationCount: UInt32 = reader.little(),
            let counterCount: UInt32 = reader.little(),
            Int(counterCount) <= reader.remaining / 20
        else { return nil }
        counters = []
        for _ in 0..<counterCount {
            guard let namespace: UInt32 = reader.little(), let keys: UInt64 = reader.little(),
                let total: UInt64 = reader.little()
            else { return nil }
            counters.append(
                EntryCounters(
                    namespace: NamespaceID(rawValue: namespace),
                    usage: Usage(keys: keys & ~EntryPayload.expiredBit, bytes: total),
                    isWrite: keys & EntryPayload.expiredBit == 0))
        }
        self.operationCount = operationCount
        self.bytes = bytes
        operationsRange = reader.offset..<bytes.count
    }

    /// The writes, decoded; nil when they are damaged.
    public func operations() -> [WriteOperation]? {
        WriteOperations.decode(bytes, in: operationsRange, count: operationCount)
    }
}
