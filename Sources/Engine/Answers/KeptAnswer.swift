public import Log
public import Platform

/// Which request a client may send again: by a key of its own choice.
public struct RequestKey: Equatable, Sendable {
    /// Of the caller and its key: 16 bytes that no other caller can choose.
    public let hash: [UInt8]
    /// Of what is asked for: the same key with another request is a mistake of the client.
    public let fingerprint: [UInt8]

    public static let bytesCount = 16

    public init(hash: [UInt8], fingerprint: [UInt8]) {
        self.hash = hash
        self.fingerprint = fingerprint
    }
}

/// The answer to a request that may be sent again, kept in the state by the entry that carried the
/// request out. So whoever becomes primary has it, and no restart loses it.
///
/// On disk, little-endian: `format u8 | slot u64 | index u64 | time u64 | fingerprint 16 B | answer`.
public struct KeptAnswer: Equatable, Sendable {
    /// Its place in the order in which answers are forgotten.
    public var slot: UInt64
    /// Of the entry that carried the request out.
    public var index: LogIndex
    public var time: UnixMilliseconds
    public var fingerprint: [UInt8]
    /// Opaque to the engine; without secrets. Empty when it was too large to be kept.
    public var bytes: [UInt8]

    /// A larger answer is not kept, only that the request was carried out.
    public static let bytesMax = 2 << 20

    static let formatVersion: UInt8 = 1

    init(
        slot: UInt64, index: LogIndex, time: UnixMilliseconds, fingerprint: [UInt8], bytes: [UInt8]
    ) {
        self.slot = slot
        self.index = index
        self.time = time
        self.fingerprint = fingerprint
        self.bytes = bytes
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 48 + bytes.count)
        writer.little(KeptAnswer.formatVersion)
        writer.little(slot)
        writer.little(index.rawValue)
        writer.little(time.rawValue)
        writer.append(fingerprint)
        writer.append(bytes)
        return writer.bytes
    }

    init?(decoding encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let format: UInt8 = reader.little(), format == KeptAnswer.formatVersion,
            let slot: UInt64 = reader.little(), let index: UInt64 = reader.little(),
            let time: UInt64 = reader.little(),
            let fingerprint = reader.take(RequestKey.bytesCount)
        else { return nil }
        self.init(
            slot: slot, index: LogIndex(index), time: UnixMilliseconds(rawValue: time),
            fingerprint: fingerprint, bytes: reader.take(reader.remaining) ?? [])
    }

}

/// How many answers are kept, and for how long; the oldest go first.
public struct AnswerLimits: Equatable, Sendable {
    public var ageMax: Duration = .seconds(24 * 3600)
    public var countMax: UInt64 = 100_000
    /// Of all of them; exceeded by one answer at most.
    public var totalBytesMax: UInt64 = 256 << 20

    public init() {}

    func isOver(_ time: UnixMilliseconds, at now: UnixMilliseconds) -> Bool {
        now.rawValue > time.rawValue + UInt64(ageMax.wholeMilliseconds)
    }

    /// Whether the oldest answer goes before one more is kept.
    func areReached(_ ledger: AnswerLedger) -> Bool {
        ledger.count >= countMax || ledger.bytes > totalBytesMax
    }
}

/// Which answers are kept: slots from `first` up to, but without, `next`, and the bytes of all of them.
struct AnswerLedger: Equatable, Sendable {
    var first: UInt64 = 0
    var next: UInt64 = 0
    var bytes: UInt64 = 0

    var count: UInt64 { next - first }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.little(first)
        writer.little(next)
        writer.little(bytes)
        return writer.bytes
    }

    init() {}

    init?(decoding encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let first: UInt64 = reader.little(), let next: UInt64 = reader.little(),
            let bytes: UInt64 = reader.little(), reader.isAtEnd, first <= next
        else { return nil }
        self.first = first
        self.next = next
        self.bytes = bytes
    }
}

/// One place in the order in which answers are forgotten.
struct AnswerSlot: Equatable, Sendable {
    var hash: [UInt8]
    var time: UnixMilliseconds
    var bytes: UInt64

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 32)
        writer.append(hash)
        writer.little(time.rawValue)
        writer.little(bytes)
        return writer.bytes
    }

    init(hash: [UInt8], time: UnixMilliseconds, bytes: UInt64) {
        self.hash = hash
        self.time = time
        self.bytes = bytes
    }

    init?(decoding encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let hash = reader.take(RequestKey.bytesCount), let time: UInt64 = reader.little(),
            let bytes: UInt64 = reader.little(), reader.isAtEnd
        else { return nil }
        self.init(hash: hash, time: UnixMilliseconds(rawValue: time), bytes: bytes)
    }
}
