import Engine
import HTTPClient
import JSON
import Log
import Platform
import Topology

extension LinkRunner {
    /// While a snapshot is made nothing flows; the source goes on with it when we ask again.
    private static let prepareMax = Duration.seconds(30)
    /// Left free on the disk, beyond the snapshot itself.
    static let diskReserveBytes: UInt64 = 64 << 20
    private static let diskFull = "disk-full"

    private enum SyncFailure: Error {
        case peer(PeerError)
        case local(String, String)
        case badData(String)
        case stopped
    }

    /// Takes a snapshot of the upstream and opens it, as far as that is still to be done.
    ///
    /// - Returns: What to do next: the new state takes the log from where it stands.
    func fullSync(_ reason: FullSyncReason) -> [Action] {
        if let staged { return loaded(staged.engine) }
        let startedAt = MonotonicTime.now()
        var rate = TransferRate()
        do throws(SyncFailure) {
            show(.prepare, reason, startedAt, &rate)
            let manifest = try prepare()
            let staging = try stage(manifest)
            try advance(to: .fetch)
            show(.fetch, reason, startedAt, &rate)
            try fetch(staging, reason, startedAt, &rate)
            try advance(to: .verify)
            show(.verify, reason, startedAt, &rate)
            do throws(FileError) { try staging.sync() } catch { throw LinkRunner.failure(error) }
            try advance(to: .load)
            show(.load, reason, startedAt, &rate)
            let engine = try load(manifest, staging)
            staged = Staged(
                engine: engine, reason: reason, snapshot: manifest.id, bytes: manifest.bytes,
                startedAt: startedAt)
            show(.catchUp, reason, startedAt, &rate)
            return loaded(engine)
        } catch {
            switch error {
            case .peer(let error): return session.take(event(for: error))
            case .local(let code, let detail):
                // Whatever else needs the disk comes first.
                if code == LinkRunner.diskFull { dropStaging() }
                return session.take(.failed(.local(code, detail)))
            case .badData(let detail):
                dropStaging()
                return session.take(.failed(.badData(detail)))
            case .stopped: return []
            }
        }
    }

    private func loaded(_ engine: Engine) -> [Action] {
        let header = engine.state.header
        session.note { $0.received = header.position.index }
        return session.take(.loaded(header.position, header.reign))
    }

    private func advance(to stage: FullSyncStage) throws(SyncFailure) {
        _ = session.take(.stage(stage))
        // Another thread may have given the link up meanwhile.
        guard case .fullSync = session.read({ $0.machine.state }) else { throw .stopped }
    }

    private func prepare() throws(SyncFailure) -> SnapshotManifest {
        let document: JSONValue
        do throws(PeerError) {
            document = try client.call(
                "POST", "/replication/snapshots", body: .object([:]),
                deadlines: FetchDeadlines(
                    idle: LinkRunner.prepareMax, total: LinkRunner.prepareMax))
        } catch { throw .peer(error) }
        guard let manifest = SnapshotManifest(json: document) else {
            throw .badData("the upstream's manifest cannot be read")
        }
        guard manifest.lineage == environment.identity().lineage else {
            throw .badData("the upstream's snapshot is of lineage \(manifest.lineage)")
        }
        return manifest
    }

    /// The place for the snapshot's files: the one that an earlier attempt has begun, or a new one.
    private func stage(_ manifest: SnapshotManifest) throws(SyncFailure) -> Staging {
        do {
            let staging: Staging
            if let begun = self.staging {
                try begun.begin(manifest)
                staging = begun
            } else {
                staging = try makeStaging(manifest)
                self.staging = staging
            }
            if let lack = try lackOfDisk(for: staging) { throw lack }
            return staging
        } catch let error as SyncFailure {
            throw error
        } catch let error as FileError {
            throw LinkRunner.failure(error)
        } catch {
            throw .local("staging-failed", "\(error)")
        }
    }

    /// Says how much disk is missing for what is still to come; nil when there is enough.
    private func lackOfDisk(for staging: Staging) throws(FileError) -> SyncFailure? {
        let counts = staging.counts
        let needed = counts.bytesTotal - counts.bytesPresent + LinkRunner.diskReserveBytes
        let free = try FileSystem.space(at: environment.dataDirectory.path).freeBytes
        guard free < needed else { return nil }
        return .local(
            LinkRunner.diskFull,
            "the snapshot needs \(needed) bytes of free disk, \(free) are free: "
                + "\(needed - free) are missing")
    }

    private func makeStaging(_ manifest: SnapshotManifest) throws -> Staging {
        if let begun = environment.dataDirectory.takeInterrupted() {
            if let staging = try? Staging(manifest, resuming: begun) { return staging }
            try FileSystem.removeTree(begun.path)
        }
        let incarnation = try environment.dataDirectory.makeIncarnation()
        do {
            return try Staging(manifest, in: incarnation)
        } catch {
            try? FileSystem.removeTree(incarnation.path)  // What stays is removed at the next boot.
            throw error
        }
    }

    private func fetch(
        _ staging: Staging, _ reason: FullSyncReason, _ startedAt: MonotonicTime,
        _ rate: inout TransferRate
    ) throws(SyncFailure) {
        var shown = rate
        var bytesDone = staging.counts.bytesDone
        let fetch = FileFetch(session: session, staging: staging) { isHeldBack in
            self.show(.fetch, reason, startedAt, &shown)
            let now = staging.counts.bytesDone
            // A pause of our own is no stall.
            if now != bytesDone || isHeldBack { _ = self.session.take(.fetched) }
            if self.session.take(.tick).contains(.closeLink) { self.session.cutLink() }
            bytesDone = now
        }
        do throws(FileFetch.Failure) {
            try fetch.run()
        } catch {
            switch error {
            case .peer(let error): throw .peer(error)
            case .io(let error):
                let lack = error.isDiskFull ? try? lackOfDisk(for: staging) : nil
                throw lack ?? LinkRunner.failure(error)
            case .damaged(let detail): throw .badData(detail)
            }
        }
        rate = shown
    }

    private func load(
        _ manifest: SnapshotManifest, _ staging: Staging
    ) throws(SyncFailure) -> Engine {
        do throws(FileError) { try staging.seal() } catch { throw LinkRunner.failure(error) }
        do throws(EngineError) {
            return try Engine.openSnapshot(
                staging.incarnation, expecting: manifest.position,
                options: environment.engineOptions)
        } catch {
            throw .badData("the snapshot cannot be opened: \(error)")
        }
    }

    private static func failure(_ error: FileError) -> SyncFailure {
        .local(error.isDiskFull ? diskFull : "disk-failed", "\(error)")
    }

    private func show(
        _ stage: FullSyncStage, _ reason: FullSyncReason, _ startedAt: MonotonicTime,
        _ rate: inout TransferRate
    ) {
        let now = MonotonicTime.now()
        let counts =
            staging?.counts
            ?? Staging.Counts(
                bytesDone: 0, bytesTotal: 0, bytesPresent: 0, filesDone: 0, filesTotal: 0,
                resumedBytes: 0)
        rate.note(counts.bytesDone, at: now)
        let speed = rate.bytesPerSecond(counts.bytesDone, at: now)
        let left = counts.bytesTotal - min(counts.bytesTotal, counts.bytesDone)
        let progress = FullSyncProgress(
            stage: stage, reason: reason, startedAt: startedAt, bytesDone: counts.bytesDone,
            bytesTotal: counts.bytesTotal, filesDone: counts.filesDone,
            filesTotal: counts.filesTotal, bytesPerSecond: speed,
            etaSeconds: speed > 0 ? Double(left) / speed : nil, resumedBytes: counts.resumedBytes)
        session.note { $0.progress = progress }
    }
}
