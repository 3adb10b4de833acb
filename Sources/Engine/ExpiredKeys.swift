import Platform
import RocksDB

extension NamespaceView {
    /// Lines of values that have expired and are still there, in order of the keys, for ``ExpireKeys``; out of
    /// the first `lookMax` values of the namespace. Blocks on the disk.
    public func expiredLines(countMax: Int, lookMax: Int) throws(EngineError) -> [ExpiryKey] {
        let iterator = iterator(prefix: [], after: nil)
        return try engine {
            var lines: [ExpiryKey] = []
            var looked = 0
            while iterator.isValid, lines.count < countMax, looked < lookMax {
                looked += 1
                let (start, count) = iterator.valuePrefix(StoredValue.headBytesMax)
                guard let head = StoredValueHead(decoding: start, encodedBytes: count) else {
                    throw EngineError.damaged("a stored value cannot be read")
                }
                if let expiry = head.expiry, expiry <= time {
                    lines.append(ExpiryKey(expiry: expiry, dataKey: iterator.key))
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return lines
        }
    }
}
