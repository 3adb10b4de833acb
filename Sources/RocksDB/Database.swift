import CRocksDB

/// An open RocksDB database without a log of its own. Closes when the last reference goes away,
/// iterators and snapshots included.
///
/// Safe to use from any thread: RocksDB synchronises `rocksdb_t` itself, and this class adds no
/// mutable state. Every call may block on the disk.
public final class Database: Sendable {
    // Immutable after init and only passed to thread-safe functions of RocksDB.
    nonisolated(unsafe) let handle: OpaquePointer
    private nonisolated(unsafe) let readOptions: OpaquePointer?
    private nonisolated(unsafe) let persistedReadOptions: OpaquePointer?
    private nonisolated(unsafe) let writeOptions: OpaquePointer?

    public convenience init(path: String, options: DatabaseOptions) throws(RocksDBError) {
        let handles = options.makeHandle()
        defer { rocksdb_options_destroy(handles) }

        let opened = try rocks("rocksdb_open") { rocksdb_open(handles, path, $0) }
        try self.init(opened)
    }

    /// Opens for reads alone, and writes nothing: for looking at a checkpoint.
    public convenience init(readOnly path: String, options: DatabaseOptions) throws(RocksDBError) {
        let handles = options.makeHandle()
        defer { rocksdb_options_destroy(handles) }

        let opened = try rocks("rocksdb_open_for_read_only") {
            rocksdb_open_for_read_only(handles, path, 0, $0)
        }
        try self.init(opened)
    }

    private init(_ opened: OpaquePointer?) throws(RocksDBError) {
        guard let opened else { throw RocksDBError(function: "rocksdb_open", message: "no handle") }
        handle = opened
        readOptions = rocksdb_readoptions_create()
        persistedReadOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_read_tier(persistedReadOptions, 2)  // kPersistedTier
        writeOptions = rocksdb_writeoptions_create()
        rocksdb_writeoptions_disable_WAL(writeOptions, 1)
    }

    deinit {
        rocksdb_cancel_all_background_work(handle, 1)
        rocksdb_close(handle)
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_readoptions_destroy(persistedReadOptions)
        rocksdb_writeoptions_destroy(writeOptions)
    }

    /// The value of `key`, or nil.
    public func get(_ key: [UInt8]) throws(RocksDBError) -> [UInt8]? {
        try get(key, readOptions)
    }

    /// The value of `key` as it is on disk, without what only memory holds.
    public func getPersisted(_ key: [UInt8]) throws(RocksDBError) -> [UInt8]? {
        try get(key, persistedReadOptions)
    }

    func get(_ key: [UInt8], _ options: OpaquePointer?) throws(RocksDBError) -> [UInt8]? {
        let pinned = try rocks("rocksdb_get") { error in
            key.withChars { rocksdb_get_pinned(handle, options, $0, $1, error) }
        }
        guard let pinned else { return nil }
        defer { rocksdb_pinnableslice_destroy(pinned) }

        var count = 0
        let chars = rocksdb_pinnableslice_value(pinned, &count)
        return Array(UnsafeRawBufferPointer(start: chars, count: count))
    }

    /// The first `prefixBytes` bytes of the value of `key`, and how long the value is; or nil.
    public func getPrefix(
        _ key: [UInt8], prefixBytes: Int
    ) throws(RocksDBError) -> (prefix: [UInt8], valueBytes: Int)? {
        let pinned = try rocks("rocksdb_get") { error in
            key.withChars { rocksdb_get_pinned(handle, readOptions, $0, $1, error) }
        }
        guard let pinned else { return nil }
        defer { rocksdb_pinnableslice_destroy(pinned) }

        var count = 0
        let chars = rocksdb_pinnableslice_value(pinned, &count)
        let prefix = UnsafeRawBufferPointer(start: chars, count: min(count, prefixBytes))
        return (Array(prefix), count)
    }

    /// Applies a batch in RocksDB's own format (12 bytes of header, then the operations), whole or
    /// not at all. One thread writes at a time.
    ///
    /// - Throws: The database takes no writes any more; the caller stops the process.
    public func write(batch bytes: [UInt8]) throws(RocksDBError) {
        let batch = bytes.withChars { rocksdb_writebatch_create_from($0, $1) }
        defer { rocksdb_writebatch_destroy(batch) }

        try rocks("rocksdb_write") { rocksdb_write(handle, writeOptions, batch, $0) }
    }

    /// Writes what memory holds to files and waits for it.
    public func flush() throws(RocksDBError) {
        let options = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(options) }
        rocksdb_flushoptions_set_wait(options, 1)

        try rocks("rocksdb_flush") { rocksdb_flush(handle, options, $0) }
    }

    /// Makes a copy of the database at `path` by hard links. Flushes first, so the copy holds every
    /// write that ended before the call; which one is the last is to be read from the copy.
    public func checkpoint(to path: String) throws(RocksDBError) {
        let checkpoint = try rocks("rocksdb_checkpoint_object_create") {
            rocksdb_checkpoint_object_create(handle, $0)
        }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }

        // With a log_size_for_flush above 0 it silently copies old state.
        try rocks("rocksdb_checkpoint_create") {
            rocksdb_checkpoint_create(checkpoint, path, 0, $0)
        }
    }

    /// Drops the files that hold nothing but keys in `[start, end)`, at once.
    public func deleteFiles(from start: [UInt8], to end: [UInt8]) throws(RocksDBError) {
        try rocks("rocksdb_delete_file_in_range") { error in
            start.withChars { startChars, startCount in
                end.withChars { endChars, endCount in
                    rocksdb_delete_file_in_range(
                        handle, startChars, startCount, endChars, endCount, error)
                }
            }
        }
    }

    /// Rewrites the files that overlap `[start, end)`, which gives deleted space back. Takes long,
    /// and does not hold up the compactions that writes need. Ends soon after ``stopCompacting()``.
    public func compact(from start: [UInt8], to end: [UInt8]) {
        let options = rocksdb_compactoptions_create()
        defer { rocksdb_compactoptions_destroy(options) }
        rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0)
        start.withChars { startChars, startCount in
            end.withChars { endChars, endCount in
                rocksdb_compact_range_opt(
                    handle, options, startChars, startCount, endChars, endCount)
            }
        }
    }

    /// Ends every ``compact(from:to:)`` that runs, and each later one at once.
    public func stopCompacting() { rocksdb_disable_manual_compaction(handle) }

    /// About how many bytes of files `[start, end)` takes.
    public func approximateBytes(from start: [UInt8], to end: [UInt8]) throws(RocksDBError)
        -> UInt64
    {
        var bytes: UInt64 = 0
        try rocks("rocksdb_approximate_sizes") { error in
            start.withChars { startChars, startCount in
                end.withChars { endChars, endCount in
                    var (first, last) = (startChars, endChars)
                    var (firstCount, lastCount) = (startCount, endCount)
                    rocksdb_approximate_sizes(
                        handle, 1, &first, &firstCount, &last, &lastCount, &bytes, error)
                }
            }
        }
        return bytes
    }

    /// A number that RocksDB keeps about itself, such as `rocksdb.cur-size-all-mem-tables`.
    public func property(_ name: String) -> UInt64? {
        var value: UInt64 = 0
        return rocksdb_property_int(handle, name, &value) == 0 ? value : nil
    }
}
