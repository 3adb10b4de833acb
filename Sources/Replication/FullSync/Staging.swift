import Engine
import JSON
import Log
import Platform

/// The new incarnation while its database is fetched: which bytes of which file are there.
///
/// Shared by the threads that fetch. Outlives a broken link, so that nothing is fetched twice: also
/// when the upstream has to take another snapshot, as files of the same name, size and hash are the
/// same files. Outlives the process, too: `fetch.json` beside the database names what is being fetched,
/// and what is there is read and hashed again before more is asked for.
///
/// Invariants
///  1. A transfer's `offset` bytes are in its file, and in its hash.
///  2. One thread at a time has a transfer.
final class Staging: Sendable {
    let incarnation: Incarnation
    private let state: Monitor<State>

    private struct State: Sendable {
        var manifest: SnapshotManifest
        var transfers: [String: FileTransfer] = [:]
        var waiting: [FileTransfer] = []
    }

    init(_ manifest: SnapshotManifest, in incarnation: Incarnation) throws(FileError) {
        self.incarnation = incarnation
        try FileSystem.createDirectory(incarnation.databasePath)
        state = Monitor(State(manifest: manifest))
        try begin(manifest)
    }

    /// Goes on where an earlier process has ended. Nil when nothing of that is of use.
    init?(_ manifest: SnapshotManifest, resuming incarnation: Incarnation) throws(FileError) {
        let bytes = try FileSystem.readAll(incarnation.fetchPath, bytesMax: Staging.fetchFileMax)
        guard let document = try? JSONValue(parsing: bytes),
            let earlier = SnapshotManifest(json: document), earlier.lineage == manifest.lineage
        else { return nil }
        self.incarnation = incarnation
        state = Monitor(State(manifest: manifest))
        let same = Set(manifest.files).intersection(earlier.files)
        let names = Set(same.map(\.name))
        for name in try FileSystem.list(incarnation.databasePath) where !names.contains(name) {
            try FileSystem.remove("\(incarnation.databasePath)/\(name)")
        }
        var transfers: [String: FileTransfer] = [:]
        for file in same {
            let path = "\(incarnation.databasePath)/\(file.name)"
            guard FileSystem.exists(path) else { continue }
            let found = try File(path, .readWrite).size()
            guard found <= file.size else {
                try FileSystem.remove(path)
                continue
            }
            transfers[file.name] = FileTransfer(file, path: path, found: found)
        }
        state.withLock { $0.transfers = transfers }
        try begin(manifest)
    }

    var manifest: SnapshotManifest { state.withLock { $0.manifest } }

    /// Takes up a manifest: keeps what belongs to it, and removes what does not.
    func begin(_ manifest: SnapshotManifest) throws(FileError) {
        let gone = state.withLock { state -> [FileTransfer] in
            var transfers: [String: FileTransfer] = [:]
            for file in manifest.files {
                let path = "\(incarnation.databasePath)/\(file.name)"
                let old = state.transfers[file.name].flatMap { $0.file == file ? $0 : nil }
                transfers[file.name] = old ?? FileTransfer(file, path: path)
            }
            let gone = state.transfers.values.filter { transfers[$0.file.name] !== $0 }
            state.manifest = manifest
            state.transfers = transfers
            // The largest last: taken from the end, so that the threads end together.
            state.waiting = transfers.values.filter { !$0.isDone }.sorted {
                $0.bytesLeft < $1.bytesLeft
            }
            for transfer in transfers.values { transfer.resume() }
            return gone
        }
        for transfer in gone { try FileSystem.remove(transfer.path) }
        try FileSystem.replace(incarnation.fetchPath, with: manifest.json.serialized())
    }

    /// The next file to fetch; nil when all are taken.
    func next() -> FileTransfer? { state.withLock { $0.waiting.popLast() } }

    struct Counts: Equatable, Sendable {
        var bytesDone: UInt64
        var bytesTotal: UInt64
        /// On disk, among them what is still to be read and hashed again.
        var bytesPresent: UInt64
        var filesDone: Int
        var filesTotal: Int
        var resumedBytes: UInt64
    }

    var counts: Counts {
        state.withLock { state in
            Counts(
                bytesDone: state.transfers.values.reduce(0) { $0 + $1.offset },
                bytesTotal: state.manifest.bytes,
                bytesPresent: state.transfers.values.reduce(0) { $0 + $1.bytesPresent },
                filesDone: state.transfers.values.count { $0.isDone },
                filesTotal: state.transfers.count,
                resumedBytes: state.transfers.values.reduce(0) { $0 + $1.bytesResumed })
        }
    }

    /// Returns once every file and name is on disk.
    func sync() throws(FileError) {
        for file in manifest.files {
            try File("\(incarnation.databasePath)/\(file.name)", .readWrite).sync()
        }
        try FileSystem.syncDirectory(incarnation.databasePath)
        try FileSystem.syncDirectory(incarnation.path)
    }

    /// All is there. From now on the files are a database's, and change: nobody goes on with them.
    func seal() throws(FileError) {
        try FileSystem.remove(incarnation.fetchPath)
        try FileSystem.syncDirectory(incarnation.path)
    }

    /// Of the longest manifest.
    private static let fetchFileMax = 64 << 20
}

/// One file on its way. Written and hashed in order, by the thread that has it.
final class FileTransfer: Sendable {
    let file: SnapshotManifest.File
    let path: String
    private let progress: Monitor<Progress>

    /// What an earlier process has left in the file.
    private let found: UInt64

    private struct Progress {
        var offset: UInt64 = 0
        /// Of `offset`, what was there when the fetching began or was taken up.
        var resumed: UInt64 = 0
        var hasLookedBack = false
        var hash = RunningHash()
        var isVerified = false
        var hasFailedOnce = false
    }

    /// A box, as a monitor's state has to be copyable.
    private final class RunningHash {
        private var hash = IncrementalHash128()

        func update(_ bytes: [UInt8]) { hash.update(bytes) }

        func finish() -> Hash128 { hash.finish() }
    }

    enum Failure: Error, Equatable {
        case io(FileError)
        /// More bytes than the manifest says.
        case tooLong
        /// For the second time, the bytes do not have the manifest's hash.
        case wrongHash
    }

    init(_ file: SnapshotManifest.File, path: String, found: UInt64 = 0) {
        self.file = file
        self.path = path
        self.found = found
        progress = Monitor(Progress())
    }

    var offset: UInt64 { progress.withLock { $0.offset } }
    var isDone: Bool { progress.withLock { $0.isVerified } }
    var bytesLeft: UInt64 { file.size - offset }
    var bytesPresent: UInt64 { max(offset, found) }
    var bytesResumed: UInt64 { progress.withLock { $0.resumed } }

    /// The fetching begins, or goes on after a break.
    func resume() { progress.withLock { $0.resumed = $0.offset } }

    /// Takes up what an earlier process has left: reads and hashes all of it. Once; blocks.
    func takeUp(from target: File) throws(FileError) {
        let isFirst = progress.withLock { progress in
            defer { progress.hasLookedBack = true }
            return !progress.hasLookedBack
        }
        guard isFirst else { return }
        while offset < found {
            let count = Int(min(found - offset, FileTransfer.readBytes))
            let bytes = try target.read(at: offset, count: count)
            guard !bytes.isEmpty else { return }
            advance(bytes)
            resume()
        }
    }

    private static let readBytes: UInt64 = 1 << 20

    /// Writes what comes next.
    func append(_ bytes: [UInt8], to target: File) throws(Failure) {
        let offset = self.offset
        guard UInt64(bytes.count) <= file.size - offset else { throw .tooLong }
        do throws(FileError) {
            try target.write(bytes, at: offset)
        } catch { throw .io(error) }
        advance(bytes)
    }

    private func advance(_ bytes: [UInt8]) {
        progress.withLock {
            $0.hash.update(bytes)
            $0.offset += UInt64(bytes.count)
        }
    }

    /// Compares hashes once all is there.
    ///
    /// - Returns: False the first time that they differ: the file is then to be fetched anew.
    func verify() throws(Failure) -> Bool {
        try progress.withLock { progress throws(Failure) in
            invariant(progress.offset == file.size, "\(file.name) verified at \(progress.offset)")
            if progress.hash.finish() == file.hash {
                progress.isVerified = true
                return true
            }
            guard !progress.hasFailedOnce else { throw .wrongHash }
            progress.hasFailedOnce = true
            progress.offset = 0
            progress.resumed = 0
            progress.hash = RunningHash()
            return false
        }
    }
}
