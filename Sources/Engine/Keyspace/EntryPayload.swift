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

/// The payload of an entry: the counters it leaves behind, then its writes.
///
/// Little-endian: `format u8 = 1 | operation count u32 | counter count u32 |
/// (namespace u32, keys u64, bytes u64)… | operations` in the format of ``WriteOperations``.
public struct EntryPayload: Sendable {
    public var counters: [(namespace: NamespaceID, usage: Usage)]
    public var operationCount: UInt32
    /// The whole payload.
    public var bytes: [UInt8]
    /// Where in `bytes` the operations stand.
    public var operationsRange: Range<Int>

    static let formatVersion: UInt8 = 1

    init(counters: [(namespace: NamespaceID, usage: Usage)], operations: WriteOperations) {
        var writer = ByteWriter(capacity: 9 + counters.count * 20 + operations.bytes.count)
        writer.little(EntryPayload.formatVersion)
        writer.little(operations.count)
        writer.little(UInt32(counters.count))
        for (namespace, usage) in counters {
            writer.little(namespace.rawValue)
            writer.little(usage.keys)
            writer.little(usage.bytes)
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
            counters.append((NamespaceID(rawValue: namespace), Usage(keys: keys, bytes: total)))
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
