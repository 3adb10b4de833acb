import CXXHash

/// A 128-bit XXH3 hash (xxHash 0.8, no seed). Detects damage and tells histories apart; it is no
/// defence against somebody who forges bytes, so never use it for secrets.
public struct Hash128: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static let zero = Hash128(high: 0, low: 0)

    init(_ hash: shim_hash128) { self.init(high: hash.high, low: hash.low) }

    /// The hash of `bytes`.
    public init(of bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { Hash128(shim_hash128_of($0.baseAddress, $0.count)) }
    }

    /// The hash of `bytes[range]`.
    public init(of bytes: [UInt8], in range: Range<Int>) {
        self = bytes.withUnsafeBytes {
            let part = UnsafeRawBufferPointer(rebasing: $0[range])
            return Hash128(shim_hash128_of(part.baseAddress, part.count))
        }
    }

    /// The hash of the bytes of `prefix` (high half first, big-endian), then two ranges of `bytes`.
    public init(
        chaining prefix: Hash128, _ bytes: [UInt8], _ first: Range<Int>, _ second: Range<Int>
    ) {
        var words = (prefix.high.bigEndian, prefix.low.bigEndian)
        self = withUnsafeBytes(of: &words) { prefix in
            bytes.withUnsafeBytes { all in
                let first = UnsafeRawBufferPointer(rebasing: all[first])
                let second = UnsafeRawBufferPointer(rebasing: all[second])
                return Hash128(
                    shim_hash128_of_three(
                        prefix.baseAddress, prefix.count, first.baseAddress, first.count,
                        second.baseAddress, second.count))
            }
        }
    }

    /// The hash of the bytes of `prefix`, then `first`, then `second`; the same as of one buffer that
    /// holds them one after the other.
    public init(chaining prefix: Hash128, _ first: [UInt8], _ second: [UInt8]) {
        var words = (prefix.high.bigEndian, prefix.low.bigEndian)
        self = withUnsafeBytes(of: &words) { prefix in
            first.withUnsafeBytes { first in
                second.withUnsafeBytes { second in
                    Hash128(
                        shim_hash128_of_three(
                            prefix.baseAddress, prefix.count, first.baseAddress, first.count,
                            second.baseAddress, second.count))
                }
            }
        }
    }

    /// 32 lower-case hexadecimal digits.
    public var hex: String { Hash128.hex(high) + Hash128.hex(low) }

    /// Reads what ``hex`` writes; nil for anything else.
    public init?(hex: String) {
        guard hex.utf8.count == 32, hex.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }),
            let high = UInt64(hex.prefix(16), radix: 16),
            let low = UInt64(hex.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// Sum modulo 2^128: the same for every order of summands. Used for digests of sets.
    public static func &+ (a: Hash128, b: Hash128) -> Hash128 {
        let (low, carry) = a.low.addingReportingOverflow(b.low)
        return Hash128(high: a.high &+ b.high &+ (carry ? 1 : 0), low: low)
    }

    /// The inverse of `&+`.
    public static func &- (a: Hash128, b: Hash128) -> Hash128 {
        let (low, borrow) = a.low.subtractingReportingOverflow(b.low)
        return Hash128(high: a.high &- b.high &- (borrow ? 1 : 0), low: low)
    }

    private static func hex(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Computes the ``Hash128`` of bytes that come in pieces.
public struct IncrementalHash128: ~Copyable {
    private let state: UnsafeMutableRawPointer

    public init() {
        guard let state = shim_hash128_begin() else { fatalError("out of memory") }
        self.state = state
    }

    deinit { shim_hash128_free(state) }

    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { shim_hash128_update(state, $0.baseAddress, $0.count) }
    }

    public func finish() -> Hash128 { Hash128(shim_hash128_end(state)) }
}
