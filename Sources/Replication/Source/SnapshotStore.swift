public import Engine
public import Log
public import Platform

/// The snapshots that replicas fetch: checkpoints beside the database, leased for as long as somebody
/// asks for their files.
///
/// Invariants
///  1. One checkpoint is made at a time; whoever asks meanwhile waits for it and shares it.
///  2. From before a checkpoint is made until its last lease has ended, ``leasedIndexes`` names an
///     index at or below its position, so the log behind it is kept.
///  3. A path is only ever made of a manifest's own names.
public final class SnapshotStore: Sendable {
    private let engine: @Sendable () -> Engine?
    private let state = Monitor(State())

    /// Renewed by each touch.
    public static let leaseDuration = Duration.seconds(30)
    /// So long a snapshot is given to others who ask, and kept without a lease.
    static let sharedFor = Duration.seconds(10)
    /// How long an asker waits for a checkpoint that another one has begun.
    static let makeMax = Duration.seconds(120)

    private struct State: Sendable {
        var snapshots: [String: Snapshot] = [:]
        /// While a checkpoint is made: the state's index when that began.
        var making: LogIndex?
        var hashes = FileHashes()
    }

    private struct Snapshot: Sendable {
        let manifest: SnapshotManifest
        let incarnation: Incarnation
        let directory: String
        let madeAt: MonotonicTime
        var leases: [NodeNumber: MonotonicTime] = [:]

        func isShared(with peer: NodeNumber, of engine: Engine, at now: MonotonicTime) -> Bool {
            // Without a lease the log behind it may have been trimmed: nobody could go on from it.
            guard incarnation == engine.incarnation,
                engine.log.first <= manifest.position.index.next
            else { return false }
            // Who resumes gets what it has begun with; others something fresh.
            return leases[peer] != nil || now - madeAt < SnapshotStore.sharedFor
        }
    }

    public enum Failure: Error, Sendable, CustomStringConvertible {
        /// This node has no state to copy.
        case noState
        /// The checkpoint of another asker takes too long.
        case busy
        case engine(EngineError)
        case io(FileError)

        public var description: String {
            switch self {
            case .noState: "this node has no state"
            case .busy: "another checkpoint is still being made"
            case .engine(let error): "\(error)"
            case .io(let error): "\(error)"
            }
        }
    }

    public init(engine: @escaping @Sendable () -> Engine?) { self.engine = engine }

    /// A snapshot for `peer`, leased to it: the one it has, one that was just made, or a new one.
    ///
    /// Blocks while the checkpoint is made and its files are hashed: seconds.
    public func take(for peer: NodeNumber) throws(Failure) -> SnapshotManifest {
        guard let engine = engine() else { throw .noState }
        let start = MonotonicTime.now()
        let shared = state.wait(until: start + SnapshotStore.makeMax) {
            state -> SnapshotManifest?? in
            let now = MonotonicTime.now()
            let found = state.snapshots.values.filter {
                $0.isShared(with: peer, of: engine, at: now)
            }.max { $0.madeAt < $1.madeAt }
            if let id = found?.manifest.id {
                state.snapshots[id]?.leases[peer] = now + SnapshotStore.leaseDuration
                return .some(found?.manifest)
            }
            guard state.making == nil else { return nil }
            state.making = engine.state.position.index
            return .some(nil)
        }
        guard let shared else { throw .busy }
        if let manifest = shared { return manifest }

        defer { state.update { $0.making = nil } }
        return try make(engine, for: peer)
    }

    private func make(_ engine: Engine, for peer: NodeNumber) throws(Failure) -> SnapshotManifest {
        let id = SnapshotStore.randomID()
        let directory = "\(engine.incarnation.snapshotsPath)/\(id)"
        do {
            try removeLeftovers(of: engine.incarnation)
            try engine.checkpoint(to: directory)
            let header = try Engine.position(ofCheckpoint: directory)
            var hashes = state.withLock { $0.hashes }
            let files = try hashes.hashAll(in: directory)
            let manifest = SnapshotManifest(
                id: id, position: header.position, lineage: header.lineage, files: files)
            let now = MonotonicTime.now()
            let updated = hashes
            state.update {
                $0.hashes = updated
                $0.snapshots[id] = Snapshot(
                    manifest: manifest, incarnation: engine.incarnation, directory: directory,
                    madeAt: now, leases: [peer: now + SnapshotStore.leaseDuration])
            }
            return manifest
        } catch let error as EngineError {
            remove([directory])
            throw .engine(error)
        } catch let error as FileError {
            remove([directory])
            throw .io(error)
        } catch {
            invariant(false, "a checkpoint fails with \(error)")
            throw .noState
        }
    }

    /// Where a file of a snapshot lies, looked up in its manifest; nil for anything that is not in
    /// one. Renews the lease of `peer`.
    public func file(
        _ id: String, _ name: String, for peer: NodeNumber
    ) -> (path: String, size: UInt64)? {
        let now = MonotonicTime.now()
        return state.withLock { state -> (path: String, size: UInt64)? in
            guard let snapshot = state.snapshots[id], snapshot.leases[peer] != nil,
                let file = snapshot.manifest.file(named: name)
            else { return nil }
            state.snapshots[id]?.leases[peer] = now + SnapshotStore.leaseDuration
            return ("\(snapshot.directory)/\(file.name)", file.size)
        }
    }

    /// Renews the leases of `peer`, which is alive but fetches nothing just now.
    func touch(_ peer: NodeNumber, at now: MonotonicTime) {
        state.withLock { state in
            for (id, snapshot) in state.snapshots where snapshot.leases[peer] != nil {
                state.snapshots[id]?.leases[peer] = now + SnapshotStore.leaseDuration
            }
        }
    }

    /// Ends the lease of `peer`: it has what it needs.
    public func release(_ id: String, for peer: NodeNumber) {
        state.withLock { $0.snapshots[id]?.leases[peer] = nil }
    }

    /// Ends every lease of `peer`.
    func releaseAll(of peer: NodeNumber) {
        state.withLock { state in
            for id in state.snapshots.keys { state.snapshots[id]?.leases[peer] = nil }
        }
    }

    /// The positions behind which the log has to be kept for a snapshot.
    public var leasedIndexes: [LogIndex] {
        state.withLock { state in
            state.snapshots.values.filter { !$0.leases.isEmpty }.map(\.manifest.position.index)
                + (state.making.map { [$0] } ?? [])
        }
    }

    /// The lowest of ``leasedIndexes``.
    public var oldestPinnedIndex: LogIndex? { leasedIndexes.min() }

    /// Whether `peer` holds a lease.
    func isLeased(to peer: NodeNumber) -> Bool {
        state.withLock { $0.snapshots.values.contains { $0.leases[peer] != nil } }
    }

    /// Ends leases that nobody has renewed, and removes what nobody needs. Removes files.
    public func expire(at now: MonotonicTime) {
        let gone = state.withLock { state -> [String] in
            for (id, snapshot) in state.snapshots {
                state.snapshots[id]?.leases = snapshot.leases.filter { $0.value > now }
            }
            let unused = state.snapshots.filter {
                $0.value.leases.isEmpty && now - $0.value.madeAt >= SnapshotStore.sharedFor
            }
            for id in unused.keys { state.snapshots[id] = nil }
            return unused.values.map(\.directory)
        }
        remove(gone)
    }

    /// Ends every lease and removes every snapshot. Removes files.
    func removeAll() {
        let gone = state.withLock { state -> [String] in
            defer { state.snapshots = [:] }
            return state.snapshots.values.map(\.directory)
        }
        remove(gone)
    }

    private func remove(_ directories: [String]) {
        for directory in directories {
            // What stays is removed with the incarnation, or before the next checkpoint.
            try? FileSystem.removeTree(directory)
        }
    }

    /// Removes directories of an earlier process.
    private func removeLeftovers(of incarnation: Incarnation) throws(FileError) {
        try FileSystem.createDirectory(incarnation.snapshotsPath)
        let known = Set(state.withLock { Array($0.snapshots.keys) })
        for name in try FileSystem.list(incarnation.snapshotsPath) where !known.contains(name) {
            try FileSystem.removeTree("\(incarnation.snapshotsPath)/\(name)")
        }
    }

    private static func randomID() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(Hash128(high: generator.next(), low: generator.next()).hex.prefix(16))
    }
}
