public import Log
import Platform
import RocksDB

/// Verifies a data directory from end to end, for `convoy check`. Changes nothing.
public enum EngineVerifier {
    /// Reads and verifies the log, the state, and that they belong together. Goes on after a finding
    /// where it can. Blocks for as long as reading everything takes.
    ///
    /// - Parameters:
    ///   - path: The data directory. Its lock is held meanwhile; one that is in use is not read.
    ///   - synced: The last index known to have been on disk in an incarnation; a log that ends
    ///     before it is damaged, not torn.
    /// - Returns: What was found; sound when there is no damage in it.
    public static func verify(
        dataPath path: String, synced: (Incarnation) -> LogIndex = { _ in .zero }
    ) -> EngineReport {
        var report = EngineReport()
        do throws(EngineError) {
            guard let lock = try takeLock(path, &report) else { return report }
            // Held until all is read. Not left to the file's closing: a process that is being spawned
            // meanwhile has the file open, too.
            defer { lock.file?.unlock() }
            let current = try incarnation(path, &report)
            try findLeftovers(path, current, &report)
            if let current {
                verify(current, synced: synced(current), &report)
                report.close(place: current.databasePath)
            }
        } catch {
            report.find(.damage, path, "\(error)")
        }
        return report
    }

    /// Keeps the lock's file open.
    private struct Lock {
        let file: File?
    }

    /// - Returns: Nil when another process has the directory.
    private static func takeLock(
        _ path: String, _ report: inout EngineReport
    ) throws(EngineError) -> Lock? {
        try engine {
            _ = try FileSystem.list(path)  // Or there is nothing to look at.
            guard FileSystem.exists(path + "/LOCK") else {
                report.find(.note, path, "there is no LOCK file; no node has run here")
                return Lock(file: nil)
            }
            let file = try File(path + "/LOCK", .read)
            guard try file.lock() else {
                report.find(
                    .note, path + "/LOCK",
                    "another process uses the directory; stop it first. Nothing was verified")
                report.wasRead = false
                return nil
            }
            return Lock(file: file)
        }
    }

    private static func incarnation(
        _ path: String, _ report: inout EngineReport
    ) throws(EngineError) -> Incarnation? {
        guard let current = try DataDirectory.current(in: path) else {
            report.find(.note, path, "there is no CURRENT: the directory holds no state")
            return nil
        }
        guard FileSystem.exists(current.path) else {
            report.find(.damage, path + "/CURRENT", "it names \(current.path), which is missing")
            return nil
        }
        return current
    }

    private static func findLeftovers(
        _ path: String, _ current: Incarnation?, _ report: inout EngineReport
    ) throws(EngineError) {
        try engine {
            if FileSystem.exists(path + "/data") {
                for name in try FileSystem.list(path + "/data")
                where "\(path)/data/\(name)" != current?.path {
                    report.find(
                        .note, sort: "left over", "\(path)/data/\(name)",
                        "it does not count; the next start removes it")
                }
            }
            if FileSystem.exists(path + "/diverged") {
                for name in try FileSystem.list(path + "/diverged") {
                    report.find(
                        .note, sort: "diverged", "\(path)/diverged/\(name)",
                        "it was taken out of the history, and kept")
                }
            }
            if FileSystem.exists(path + "/CURRENT.new") {
                report.find(.note, path + "/CURRENT.new", "a write of CURRENT was interrupted")
            }
        }
    }

    private static func verify(
        _ incarnation: Incarnation, synced: LogIndex, _ report: inout EngineReport
    ) {
        let log = LogVerifier.verify(directory: incarnation.logPath)
        report.log = log
        for finding in log.findings {
            // A torn tail of what was never on disk is what a crash leaves.
            let isNote =
                switch finding.weight {
                case .note: true
                case .torn: (log.last?.index ?? .zero) >= synced
                case .damage: false
                }
            report.find(
                isNote ? .note : .damage, "\(finding.file) at byte \(finding.offset)", finding.what)
        }
        do throws(EngineError) {
            let state = try engine {
                var options = DatabaseOptions()
                options.blockCacheBytes = 32 << 20
                let database = try Database(readOnly: incarnation.databasePath, options: options)
                var verification = StateVerification(database, incarnation.databasePath)
                return verification.run(&report)
            }
            guard let state else { return }
            compare(state, with: log, incarnation, synced: synced, &report)
        } catch {
            report.find(.damage, incarnation.databasePath, "it cannot be opened: \(error)")
        }
    }

    /// The state's position must lie in the log, and what follows must be entries that it can take.
    private static func compare(
        _ state: EngineState, with log: LogReport, _ incarnation: Incarnation, synced: LogIndex,
        _ report: inout EngineReport
    ) {
        let path = incarnation.logPath
        report.replayedPosition = state.position
        report.namespaces = state.catalog.namespaceCount
        guard let start = log.start, let last = log.last else { return }

        // Lineages are not compared: a fork changes the state's, and the log's files keep theirs. The
        // chain hash says whether they belong together.
        guard state.position.index >= start.index else {
            report.find(
                .damage, path,
                "the state stands at entry \(state.position.index), and the log begins only with "
                    + "\(start.index.next)")
            return
        }
        guard state.position.index <= last.index else {
            report.find(
                .note, path,
                "the log ends at entry \(last.index), before the state, which stands at "
                    + "\(state.position.index), as after a power cut; the next start begins it anew "
                    + "behind the state")
            if synced > state.position.index { findLost(synced, path, &report) }
            return
        }
        if synced > last.index { findLost(synced, path, &report) }
        do throws(EngineError) {
            var tail = LogTail(directory: path, start: start)
            let replayed = try tail.replay(on: state)
            report.replayedPosition = replayed.position
            report.namespaces = replayed.catalog.namespaceCount
        } catch {
            report.find(.damage, path, "\(error)")
        }
    }

    private static func findLost(
        _ synced: LogIndex, _ path: String, _ report: inout EngineReport
    ) {
        report.find(.damage, path, "entry \(synced) was known to be on disk, and is gone")
    }
}
