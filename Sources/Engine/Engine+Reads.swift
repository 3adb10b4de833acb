import Log
import Platform
import RocksDB

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

    /// Bytes of the database's files.
    public var databaseBytes: UInt64 { database.property("rocksdb.total-sst-files-size") ?? 0 }

    /// Bytes of writes that only memory holds.
    public var memtableBytes: UInt64 { database.property("rocksdb.cur-size-all-mem-tables") ?? 0 }
}
