import Glibc
public import Platform

/// A directory for one test, below one for the whole run. Removed at the end unless it was kept.
public final class ScratchDirectory: Sendable {
    public let path: String
    private let state = Monitor(State())

    private struct State {
        var isKept = false
        var namesGiven: [String: Int] = [:]
        var processes: [ConvoyProcess] = []
    }

    /// The directory of the test that runs, if it runs in one.
    @TaskLocal public static var current: ScratchDirectory?

    private static let run: (path: String, directories: Monitor<Int>) = {
        let base = ProcessEnvironment["TMPDIR"] ?? "/tmp"
        return ("\(base)/convoy-run-\(getpid())", Monitor(0))
    }()

    /// Makes the directory; `label` says what it is for, and is part of its name.
    public init(_ label: String) throws(FileError) {
        let plain = String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        // Under the lock: whoever removes the last one removes what they are in, too.
        path = try ScratchDirectory.run.directories.update { count throws(FileError) -> String in
            count += 1
            let path = "\(ScratchDirectory.run.path)/\(count)-\(plain.prefix(60))"
            try FileSystem.createDirectory(path)
            return path
        }
    }

    deinit {
        if isKept { endProcesses() } else { removeNow() }
    }

    /// Kills every node of this directory and removes it.
    public func removeNow() {
        endProcesses()
        // A tree that cannot be removed is litter in the temporary directory, not a failure.
        try? FileSystem.removeTree(path)
        ScratchDirectory.run.directories.withLock { _ in
            _ = rmdir(ScratchDirectory.run.path)  // Succeeds with the last one.
        }
    }

    /// Leaves the directory for whoever looks into a failure.
    public func keep() { state.update { $0.isKept = true } }

    public var isKept: Bool { state.withLock { $0.isKept } }

    /// Lets a node live until ``endProcesses()``, whoever else forgets it before.
    func hold(_ process: ConvoyProcess) { state.update { $0.processes.append(process) } }

    /// The nodes that live in this directory.
    public var processes: [ConvoyProcess] { state.withLock { $0.processes } }

    /// Kills every node of this directory.
    public func endProcesses() {
        let processes = state.update { state in
            defer { state.processes = [] }
            return state.processes
        }
        for process in processes { process.kill() }
    }

    /// A path in it that nobody was given before.
    public func path(for name: String) -> String {
        let count = state.update { state in
            state.namesGiven[name, default: 0] += 1
            return state.namesGiven[name, default: 0]
        }
        return count == 1 ? "\(path)/\(name)" : "\(path)/\(name)-\(count)"
    }
}
