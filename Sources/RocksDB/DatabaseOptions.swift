import CRocksDB

/// How a database is opened.
public struct DatabaseOptions: Sendable {
    /// Refuse to open a directory without a database.
    public var mustExist = true
    /// Bytes of decompressed blocks, indexes and filters kept in memory; filled as they are read.
    public var blockCacheBytes = 128 << 20
    /// Bytes of writes kept in memory before RocksDB flushes them to a file; up to
    /// ``memtablesMax`` times as many while it is busy with that.
    ///
    /// Small, because a memtable is a skip list, which is slower the less of it is in the CPU's
    /// caches. Random keys, batches of 32, two runs each on a shared machine of 2 cores: 64 MiB
    /// without the filter below took 284,000–368,000 writes/s and 218,000–239,000 reads/s; 16 MiB
    /// with it 493,000–584,000 and 377,000–436,000.
    public var memtableBytes = 16 << 20
    /// Files kept open.
    public var openFilesMax: Int32 = 512

    static let memtablesMax: Int32 = 6

    public init() {}

    /// The caller destroys what comes back.
    func makeHandle() -> OpaquePointer? {
        let options = rocksdb_options_create()
        rocksdb_options_set_create_if_missing(options, mustExist ? 0 : 1)
        rocksdb_options_set_write_buffer_size(options, memtableBytes)
        rocksdb_options_set_max_write_buffer_number(options, DatabaseOptions.memtablesMax)
        rocksdb_options_set_level0_file_num_compaction_trigger(options, 8)
        rocksdb_options_set_max_open_files(options, openFilesMax)
        rocksdb_options_set_max_background_jobs(options, 2)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
        rocksdb_options_set_compression(options, Int32(rocksdb_lz4_compression))
        rocksdb_options_set_info_log_level(options, 3)  // Errors and worse.
        rocksdb_options_set_keep_log_file_num(options, 2)
        rocksdb_options_set_bytes_per_sync(options, 1 << 20)
        // A write reads its key first, which often is new. 5 % of a memtable more memory.
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.05)
        rocksdb_options_set_memtable_whole_key_filtering(options, 1)
        // One thread writes; the concurrent memtable would cost it for nothing.
        rocksdb_options_set_allow_concurrent_memtable_write(options, 0)
        rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0)

        // RocksDB's defaults read slowly: a block cache, bloom filters, and both counted as one.
        let table = rocksdb_block_based_options_create()
        defer { rocksdb_block_based_options_destroy(table) }
        let cache = rocksdb_cache_create_lru(blockCacheBytes)
        defer { rocksdb_cache_destroy(cache) }  // The options keep a reference of their own.
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        // In blocks of some kilobytes: the cache has 64 shards, and a whole filter of three million
        // keys, 4 MiB, fits in none of them. Each read then took it from the file: 1 ms a key.
        rocksdb_block_based_options_set_index_type(
            table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
        rocksdb_block_based_options_set_partition_filters(table, 1)
        rocksdb_block_based_options_set_metadata_block_size(table, 4096)
        rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
        rocksdb_block_based_options_set_format_version(table, 5)
        rocksdb_options_set_block_based_table_factory(options, table)
        return options
    }
}
