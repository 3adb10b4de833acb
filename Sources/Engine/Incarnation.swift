import Platform

/// Where one incarnation of the state lives: `db` and `log` in one directory, swapped together.
public struct Incarnation: Hashable, Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// As in `CURRENT`.
    public var name: String { path.split(separator: "/").last.map(String.init) ?? "" }
    public var databasePath: String { path + "/db" }
    public var logPath: String { path + "/log" }
    /// Checkpoints that replicas fetch; gone with the incarnation.
    public var snapshotsPath: String { path + "/snapshots" }
    /// Which snapshot is being fetched into it; gone once all is there.
    public var fetchPath: String { path + "/fetch.json" }
}

/// The layout of a node's data directory, held by one process.
///
///     LOCK                       locked while the process lives
///     CURRENT                    the name of the incarnation that counts; replaced by rename
///     data/<incarnation>/{db,log,snapshots}
///     diverged/                  entries and torn bytes that were taken out of the history
///     node.json                  node-local facts (kept by Node)
public final class DataDirectory: Sendable {
    public let path: String
    private let lock: File
    /// Where an earlier process was fetching a snapshot when it ended.
    private let interrupted = Monitor<Incarnation?>(nil)

    public var divergedPath: String { path + "/diverged" }
    private var currentPath: String { path + "/CURRENT" }

    /// Makes the directory when it is missing, and takes its lock.
    public init(path: String) throws(EngineError) {
        self.path = path
        lock = try engine {
            try FileSystem.createDirectory(path + "/data")
            try FileSystem.createDirectory(path + "/diverged")
            let lock = try File(path + "/LOCK", .readWrite)
            guard try lock.lock() else { throw EngineError.locked(path) }
            return lock
        }
    }

    /// Not by closing the file alone: a child process that is just being made holds it, too.
    deinit { lock.unlock() }

    /// Lets another process have the directory. Nothing may be written to it afterwards.
    public func unlock() { lock.unlock() }

    /// The incarnation that counts, or nil in a directory without a state.
    public func current() throws(EngineError) -> Incarnation? {
        try DataDirectory.current(in: path)
    }

    static func current(in path: String) throws(EngineError) -> Incarnation? {
        try engine {
            let currentPath = path + "/CURRENT"
            guard FileSystem.exists(currentPath) else { return nil }
            let name = String(
                decoding: try FileSystem.readAll(currentPath, bytesMax: 256), as: UTF8.self
            ).filter { !$0.isWhitespace }
            guard isIncarnationName(name) else {
                throw EngineError.damaged("\(currentPath) names no incarnation")
            }
            return Incarnation(path: "\(path)/data/\(name)")
        }
    }

    /// A new, empty incarnation beside the others. It counts only after ``makeCurrent(_:)``.
    public func makeIncarnation() throws(EngineError) -> Incarnation {
        try engine {
            let names = try FileSystem.list(path + "/data")
            let last =
                names.filter(DataDirectory.isIncarnationName)
                .compactMap { UInt32($0.dropFirst()) }.max() ?? 0
            let digits = String(last + 1)
            let name = "i" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
            let incarnation = Incarnation(path: "\(path)/data/\(name)")
            try FileSystem.createDirectory(incarnation.path)
            try FileSystem.syncDirectory(path + "/data")
            return incarnation
        }
    }

    /// From the next boot on this incarnation counts; durable on return.
    public func makeCurrent(_ incarnation: Incarnation) throws(EngineError) {
        try engine {
            try FileSystem.replace(currentPath, with: Array((incarnation.name + "\n").utf8))
        }
    }

    /// From the next boot on the directory holds no state.
    public func forgetCurrent() throws(EngineError) {
        try engine {
            try FileSystem.remove(currentPath)
            try FileSystem.syncDirectory(path)
        }
    }

    /// For a boot: removes every incarnation but the one that counts, and the newest of those into which
    /// an earlier process was fetching a snapshot, which ``takeInterrupted()`` answers.
    public func removeLeftovers(beside current: Incarnation?) throws(EngineError) {
        try engine {
            let others = try FileSystem.list(path + "/data")
                .map { Incarnation(path: "\(path)/data/\($0)") }.filter { $0 != current }
            let kept = others.filter { FileSystem.exists($0.fetchPath) }
                .max { ($0.name.utf8.count, $0.name) < ($1.name.utf8.count, $1.name) }
            for other in others where other != kept { try FileSystem.removeTree(other.path) }
            interrupted.withLock { $0 = kept }
        }
    }

    /// What ``removeLeftovers(beside:)`` has kept, once: whoever takes it goes on with it or removes it.
    public func takeInterrupted() -> Incarnation? {
        interrupted.withLock { kept in
            defer { kept = nil }
            return kept
        }
    }

    /// Removes what was kept, since no snapshot is needed any more. What stays is removed at the next boot.
    public func dropInterrupted() {
        if let kept = takeInterrupted() { try? FileSystem.removeTree(kept.path) }
    }

    private static func isIncarnationName(_ name: String) -> Bool {
        name.first == "i" && name.count >= 7
            && name.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    }
}
