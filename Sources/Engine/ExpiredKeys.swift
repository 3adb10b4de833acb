public import Platform
import RocksDB

/// Values of a namespace that have expired and are still there: what one look has found.
public struct ExpiredKeys: Sendable {
    /// For ``ExpireKeys``, in order of the keys.
    public var lines: [ExpiryKey] = []
    /// After which key the next look goes on; nil: this one has come to the end of the namespace.
    public var next: [UInt8]?

    /// What one look may cost: whichever comes first ends it.
    public struct Limits: Sendable {
        public var countMax: Int
        /// Of keys and values that are found; one may be more.
        public var bytesMax: Int
        public var until: MonotonicTime

        public init(countMax: Int, bytesMax: Int = 1 << 20, until: MonotonicTime) {
            self.countMax = countMax
            self.bytesMax = bytesMax
            self.until = until
        }
    }
}

extension NamespaceView {
    /// Looks at values in order of the keys, from after `key` on, and at one at least. Blocks on the disk.
    public func expiredKeys(
        after key: [UInt8]?, _ limits: ExpiredKeys.Limits
    ) throws(EngineError) -> ExpiredKeys {
        let iterator = iterator(prefix: [], after: key)
        return try engine {
            var found = ExpiredKeys()
            var (keyBytes, looked, bytes) = (0, 0, 0)
            while iterator.isValid {
                let (start, count) = iterator.valuePrefix(StoredValue.headBytesMax)
                guard let head = StoredValueHead(decoding: start, encodedBytes: count) else {
                    throw EngineError.damaged("a stored value cannot be read")
                }
                if let expiry = head.expiry, expiry <= time {
                    let line = ExpiryKey(expiry: expiry, dataKey: iterator.key)
                    found.lines.append(line)
                    keyBytes += line.key.count
                    bytes += line.key.count + head.bytes
                }
                looked += 1
                let isEnough =
                    found.lines.count == limits.countMax || bytes >= limits.bytesMax
                    || keyBytes >= ExpireKeys.bytesMax
                    // A value may be as large as all that is looked at between two looks at the clock.
                    || (looked.isMultiple(of: 16) || count > 64 << 10) && .now() >= limits.until
                if isEnough {
                    found.next = Array(iterator.key.dropFirst(Key.dataPrefixBytes))
                    return found
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return found
        }
    }
}
