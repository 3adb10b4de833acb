public import Log
public import Platform

/// Which write made a value: the entry and the write's place in it. Changes with each write, so it
/// is the strong ETag.
public struct ValueVersion: Hashable, Sendable {
    public var index: LogIndex
    public var ordinal: UInt32

    public init(index: LogIndex, ordinal: UInt32) {
        self.index = index
        self.ordinal = ordinal
    }

    /// With the quotes that HTTP wants.
    public var etag: String { "\"\(index)-\(ordinal)\"" }

    /// Reads what ``etag`` writes; nil for anything else.
    public init?(etag: String) {
        guard etag.hasPrefix("\""), etag.hasSuffix("\""), etag.utf8.count > 2 else { return nil }
        let parts = etag.dropFirst().dropLast().split(
            separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = UInt64(parts[0]), let ordinal = UInt32(parts[1]) else {
            return nil
        }
        self.init(index: LogIndex(index), ordinal: ordinal)
        guard self.etag == etag else { return nil }  // No signs, no leading zeros.
    }
}

/// What a data key holds.
///
/// On disk, little-endian: `type u8 | index u64 | ordinal u32 | [expiry u64] | bytes`. Bit 7 of the
/// type says that an expiry (milliseconds since 1970) is there. Type 1 is a string of bytes.
public struct StoredValue: Equatable, Sendable {
    public var version: ValueVersion
    public var expiry: UnixMilliseconds?
    public var bytes: [UInt8]

    public static let bytesMax = 32 << 20

    static let typeBytes: UInt8 = 1
    static let expiryFlag: UInt8 = 0x80
    static let headBytesMax = 21

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: StoredValue.headBytesMax + bytes.count)
        writer.bytes.append(StoredValue.typeBytes | (expiry == nil ? 0 : StoredValue.expiryFlag))
        writer.little(version.index.rawValue)
        writer.little(version.ordinal)
        if let expiry { writer.little(expiry.rawValue) }
        writer.append(bytes)
        return writer.bytes
    }

    init(version: ValueVersion, expiry: UnixMilliseconds? = nil, bytes: [UInt8]) {
        self.version = version
        self.expiry = expiry
        self.bytes = bytes
    }

    init?(decoding encoded: [UInt8]) {
        guard let head = StoredValueHead(decoding: encoded, encodedBytes: encoded.count) else {
            return nil
        }
        self.init(
            version: head.version, expiry: head.expiry,
            bytes: Array(encoded[(encoded.count - head.bytes)...]))
    }
}

/// A stored value without its bytes: what decisions and lists need.
public struct StoredValueHead: Equatable, Sendable {
    public var version: ValueVersion
    public var expiry: UnixMilliseconds?
    /// How many bytes the value has.
    public var bytes: Int

    init(version: ValueVersion, expiry: UnixMilliseconds?, bytes: Int) {
        self.version = version
        self.expiry = expiry
        self.bytes = bytes
    }

    /// `prefix` has at least the first 21 bytes of the value, or all.
    init?(decoding prefix: [UInt8], encodedBytes: Int) {
        var reader = ByteReader(prefix)
        guard let type: UInt8 = reader.little(), type & 0x7F == StoredValue.typeBytes,
            let index: UInt64 = reader.little(), let ordinal: UInt32 = reader.little()
        else { return nil }
        version = ValueVersion(index: LogIndex(index), ordinal: ordinal)
        if type & StoredValue.expiryFlag != 0 {
            guard let milliseconds: UInt64 = reader.little() else { return nil }
            expiry = UnixMilliseconds(rawValue: milliseconds)
        }
        bytes = encodedBytes - reader.offset
    }
}
