import Platform

/// The hashes of a checkpoint's files, each computed once: a table file never changes under its
/// name, and checkpoints of one database share them.
struct FileHashes: Sendable {
    private struct Key: Hashable, Sendable {
        var name: String
        var size: UInt64
    }

    private var known: [Key: Hash128] = [:]

    static let threads = 2
    static let pieceBytes = 1 << 20

    /// The files of the database in `directory`, hashed. Reads what is not known yet, on
    /// ``threads`` threads; blocks until then. Forgets the files that are not in it.
    mutating func hashAll(in directory: String) throws(FileError) -> [SnapshotManifest.File] {
        var keys: [Key] = []
        for name in try FileSystem.list(directory) where FileHashes.belongsToDatabase(name) {
            keys.append(Key(name: name, size: try FileSystem.size("\(directory)/\(name)")))
        }
        let missing = keys.filter { known[$0] == nil }
        let found = try FileHashes.hash(missing, in: directory)
        var all: [SnapshotManifest.File] = []
        var kept: [Key: Hash128] = [:]
        for key in keys {
            guard let hash = known[key] ?? found[key] else { continue }
            if key.name.hasSuffix(".sst") { kept[key] = hash }
            all.append(SnapshotManifest.File(name: key.name, size: key.size, hash: hash))
        }
        invariant(all.count == keys.count, "\(keys.count - all.count) files were not hashed")
        known = kept
        return all
    }

    /// RocksDB's own diary and its lock are not part of the state.
    static func belongsToDatabase(_ name: String) -> Bool {
        name != "LOCK" && name != "LOG" && !name.hasPrefix("LOG.")
            && SnapshotManifest.File.isPlainName(name)
    }

    private struct Work: Sendable {
        var left: [Key]
        var found: [Key: Hash128] = [:]
        var failure: FileError?
        var running: Int
    }

    private static func hash(
        _ keys: [Key], in directory: String
    ) throws(FileError) -> [Key: Hash128] {
        guard !keys.isEmpty else { return [:] }
        let count = min(threads, keys.count)
        // The largest first, so that the threads end together.
        let sorted = keys.sorted { $0.size < $1.size }
        let work = Monitor(Work(left: sorted, running: count))
        for number in 0..<count {
            _ = WorkerThread(name: "hash-\(number)") {
                while let key = work.withLock({ $0.failure == nil ? $0.left.popLast() : nil }) {
                    do throws(FileError) {
                        let hash = try hash(file: "\(directory)/\(key.name)")
                        work.withLock { $0.found[key] = hash }
                    } catch {
                        let failure = error
                        work.withLock { $0.failure = failure }
                    }
                }
                work.update { $0.running -= 1 }
            }
        }
        let done = work.wait(until: .distantFuture) { $0.running == 0 ? $0 : nil }
        if let failure = done?.failure { throw failure }
        return done?.found ?? [:]
    }

    private static func hash(file path: String) throws(FileError) -> Hash128 {
        let file = try File(path, .read)
        var hash = IncrementalHash128()
        var offset: UInt64 = 0
        while true {
            let bytes = try file.read(at: offset, count: pieceBytes)
            if bytes.isEmpty { return hash.finish() }
            hash.update(bytes)
            offset += UInt64(bytes.count)
        }
    }
}
