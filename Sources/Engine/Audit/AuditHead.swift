public import Platform

/// Where the audit stands: a record of the catalog, so it is in the digest that nodes compare.
public struct AuditHead: Equatable, Sendable {
    /// Of the newest record; 0 when there is none.
    public var last: UInt64
    /// Of the oldest record that is kept.
    public var first: UInt64
    /// `chain(n) = H(chain(n-1) ‖ record n)`, of the newest record.
    public var chain: Hash128

    /// Records kept; with each beyond, the oldest goes.
    public static let countMax: UInt64 = 100_000

    public static let empty = AuditHead(last: 0, first: 1, chain: .zero)

    /// The head once `record` follows, which names this head's chain as its `previous`.
    func following(_ record: [UInt8]) -> AuditHead {
        let last = last + 1
        return AuditHead(
            last: last, first: last > AuditHead.countMax ? last - AuditHead.countMax + 1 : 1,
            chain: AuditHead.chain(chain, record))
    }

    static func chain(_ previous: Hash128, _ record: [UInt8]) -> Hash128 {
        var writer = ByteWriter(capacity: 16 + record.count)
        writer.hash128(previous)
        writer.append(record)
        return Hash128(of: writer.bytes)
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 32)
        writer.little(last)
        writer.little(first)
        writer.hash128(chain)
        return writer.bytes
    }

    init(last: UInt64, first: UInt64, chain: Hash128) {
        self.last = last
        self.first = first
        self.chain = chain
    }

    init?(decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let last: UInt64 = reader.little(), let first: UInt64 = reader.little(),
            let chain = reader.hash128(), reader.isAtEnd, first >= 1, first <= last
        else { return nil }
        self.init(last: last, first: first, chain: chain)
    }
}
