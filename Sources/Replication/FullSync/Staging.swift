import Engine
import Log
import Platform

/// The new incarnation while its database is fetched: which bytes of which file are there.
///
/// Shared by the threads that fetch. Outlives a broken link, so that nothing is fetched twice: also
/// when the upstream has to take another snapshot, as files of the same name, size and hash are the
/// same files.
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
        var resumedBytes: UInt64 = 0
    }

    init(_ manifest: SnapshotManifest, in incarnation: Incarnation) throws(FileError) {
        self.incarnation = incarnation
        try FileSystem.createDirectory(incarnation.databasePath)
        state = Monitor(State(manifest: manifest))
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
            state.resumedBytes = transfers.values.reduce(0) { $0 + $1.offset }
            return gone
        }
        for transfer in gone { try FileSystem.remove(transfer.path) }
    }

    /// The next file to fetch; nil when all are taken.
    func next() -> FileTransfer? { state.withLock { $0.waiting.popLast() } }

    struct Counts: Equatable, Sendable {
        var bytesDone: UInt64
        var bytesTotal: UInt64
        var filesDone: Int
        var filesTotal: Int
        var resumedBytes: UInt64
    }

    var counts: Counts {
        state.withLock { state in
            Counts(
                bytesDone: state.transfers.values.reduce(0) { $0 + $1.offset },
                bytesTotal: state.manifest.bytes,
                filesDone: state.transfers.values.count { $0.isDone },
                filesTotal: state.transfers.count, resumedBytes: state.resumedBytes)
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
}

/// One file on its way. Written and hashed in order, by the thread that has it.
final class FileTransfer: Sendable {
    let file: SnapshotManifest.File
    let path: String
    private let progress: Monitor<Progress>

    private struct Progress {
        var offset: UInt64 = 0
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

    init(_ file: SnapshotManifest.File, path: String) {
        self.file = file
        self.path = path
        progress = Monitor(Progress())
    }

    var offset: UInt64 { progress.withLock { $0.offset } }
    var isDone: Bool { progress.withLock { $0.isVerified } }
    var bytesLeft: UInt64 { file.size - offset }

    /// Writes what comes next.
    func append(_ bytes: [UInt8], to target: File) throws(Failure) {
        let offset = self.offset
        guard UInt64(bytes.count) <= file.size - offset else { throw .tooLong }
        do throws(FileError) {
            try target.write(bytes, at: offset)
        } catch { throw .io(error) }
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
            progress.hash = RunningHash()
            return false
        }
    }
}
