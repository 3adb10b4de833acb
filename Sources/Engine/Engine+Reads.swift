import Log
import Platform
import RocksDB

/// One line of a list of keys.
public struct KeyListing: Equatable, Sendable {
    public let key: [UInt8]
    public let head: StoredValueHead
}

extension Engine {
    /// The value under `key`, as of at least the state that `namespace` was taken from.
    ///
    /// Blocks on the disk when memory does not have it.
    public func value(of key: [UInt8], in namespace: Namespace) throws(EngineError) -> StoredValue?
    {
        let record = namespace.record
        return try engine {
            guard
                let bytes = try database.get(Key.data(record.id, epoch: record.epoch, key))
            else { return nil }
            guard let value = StoredValue(decoding: bytes) else {
                throw EngineError.damaged("a stored value cannot be read")
            }
            if let expiry = value.expiry, expiry <= time { return nil }
            return value
        }
    }

    /// Keys that begin with `prefix`, in order of their bytes, from after `key` on; of one moment.
    public func keys(
        in namespace: Namespace, prefix: [UInt8], after key: [UInt8]?, countMax: Int
    ) throws(EngineError) -> [KeyListing] {
        let record = namespace.record
        let lower = Key.data(record.id, epoch: record.epoch, prefix)
        return try engine {
            // The end of the prefix, but never past the namespace's epoch.
            let iterator = DatabaseIterator(database, from: lower, to: Key.end(ofPrefix: lower))
            if let key {
                // The first key above `key` is `key` with a zero byte behind it.
                iterator.seek(Key.data(record.id, epoch: record.epoch, key) + [0])
            }
            var found: [KeyListing] = []
            let time = time
            while iterator.isValid && found.count < countMax {
                let (prefix, count) = iterator.valuePrefix(StoredValue.headBytesMax)
                guard let head = StoredValueHead(decoding: prefix, encodedBytes: count) else {
                    throw EngineError.damaged("a stored value cannot be read")
                }
                if head.expiry.map({ $0 > time }) ?? true {
                    let key = Array(iterator.key.dropFirst(Key.dataPrefixBytes))
                    found.append(KeyListing(key: key, head: head))
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return found
        }
    }

    /// Bytes of the database's files.
    public var databaseBytes: UInt64 { database.property("rocksdb.total-sst-files-size") ?? 0 }

    /// Bytes of writes that only memory holds.
    public var memtableBytes: UInt64 { database.property("rocksdb.cur-size-all-mem-tables") ?? 0 }
}
