import CRocksDB

/// The state of a database at one moment, for reads that belong together.
public final class DatabaseSnapshot: Sendable {
    private let database: Database
    // Immutable after init; RocksDB lets any thread read through a snapshot.
    private nonisolated(unsafe) let handle: OpaquePointer?
    private nonisolated(unsafe) let readOptions: OpaquePointer?

    public init(of database: Database) {
        self.database = database
        handle = rocksdb_create_snapshot(database.handle)
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_snapshot(readOptions, handle)
    }

    deinit {
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_release_snapshot(database.handle, handle)
    }

    /// The value that `key` had, or nil.
    public func get(_ key: [UInt8]) throws(RocksDBError) -> [UInt8]? {
        try database.get(key, readOptions)
    }

    /// An iterator over `[lower, upper)` of this state.
    public func iterator(from lower: [UInt8], to upper: [UInt8]) -> DatabaseIterator {
        DatabaseIterator(database, self, handle, lower, upper)
    }
}

/// Walks the keys of `[lower, upper)` in order of their bytes. Used by one thread.
///
/// Stands on the first key after `init`. Keeps its database open.
public final class DatabaseIterator {
    private let database: Database
    private let snapshot: DatabaseSnapshot?
    private let handle: OpaquePointer?
    private let readOptions: OpaquePointer?
    // RocksDB keeps pointers to the bounds as long as the iterator lives.
    private let lower: UnsafeMutableBufferPointer<CChar>
    private let upper: UnsafeMutableBufferPointer<CChar>

    public convenience init(_ database: Database, from lower: [UInt8], to upper: [UInt8]) {
        self.init(database, nil, nil, lower, upper)
    }

    init(
        _ database: Database, _ snapshot: DatabaseSnapshot?, _ snapshotHandle: OpaquePointer?,
        _ lower: [UInt8], _ upper: [UInt8]
    ) {
        self.database = database
        self.snapshot = snapshot
        self.lower = DatabaseIterator.copy(lower)
        self.upper = DatabaseIterator.copy(upper)
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_iterate_lower_bound(
            readOptions, self.lower.baseAddress, self.lower.count)
        rocksdb_readoptions_set_iterate_upper_bound(
            readOptions, self.upper.baseAddress, self.upper.count)
        if let snapshotHandle { rocksdb_readoptions_set_snapshot(readOptions, snapshotHandle) }
        handle = rocksdb_create_iterator(database.handle, readOptions)
        rocksdb_iter_seek_to_first(handle)
    }

    deinit {
        rocksdb_iter_destroy(handle)
        rocksdb_readoptions_destroy(readOptions)
        lower.deallocate()
        upper.deallocate()
    }

    public var isValid: Bool { rocksdb_iter_valid(handle) != 0 }

    /// - Precondition: ``isValid``.
    public var key: [UInt8] {
        var count = 0
        let chars = rocksdb_iter_key(handle, &count)
        return Array(UnsafeRawBufferPointer(start: chars, count: count))
    }

    /// - Precondition: ``isValid``.
    public var value: [UInt8] {
        var count = 0
        let chars = rocksdb_iter_value(handle, &count)
        return Array(UnsafeRawBufferPointer(start: chars, count: count))
    }

    /// The first `prefixBytes` bytes of the value and its length. Needs ``isValid``.
    public func valuePrefix(_ prefixBytes: Int) -> (prefix: [UInt8], valueBytes: Int) {
        var count = 0
        let chars = rocksdb_iter_value(handle, &count)
        return (Array(UnsafeRawBufferPointer(start: chars, count: min(count, prefixBytes))), count)
    }

    public func next() { rocksdb_iter_next(handle) }

    /// Goes to the first key not below `key`.
    public func seek(_ key: [UInt8]) {
        key.withChars { rocksdb_iter_seek(handle, $0, $1) }
    }

    /// Call when ``isValid`` turned false: it may have ended for a failure, not for the end.
    public func checkFailure() throws(RocksDBError) {
        try rocks("rocksdb_iter_get_error") { rocksdb_iter_get_error(handle, $0) }
    }

    private static func copy(_ bytes: [UInt8]) -> UnsafeMutableBufferPointer<CChar> {
        let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: max(1, bytes.count))
        buffer.initialize(repeating: 0)
        for (offset, byte) in bytes.enumerated() { buffer[offset] = CChar(bitPattern: byte) }
        return UnsafeMutableBufferPointer(rebasing: buffer[0..<max(bytes.count, 0)])
    }
}
