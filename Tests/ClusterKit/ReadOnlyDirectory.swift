import Glibc
import Platform

/// A directory below which nothing can be made, opened for writing, or replaced, as on a disk that has
/// turned read-only. What is open for writing stays so. Ends with the value, or by ``end()``.
public final class ReadOnlyDirectory: Sendable {
    private let path: String
    private let isOver = Monitor(false)
    private static let isRoot = geteuid() == 0

    /// - Throws: ``ClusterFailure`` when this process may not do it.
    public init(_ path: String) throws {
        self.path = path
        if ReadOnlyDirectory.isRoot {
            // Root is not held up by permissions: a mount of its own, of the same directory.
            try ReadOnlyDirectory.run("/usr/bin/mount", ["--bind", path, path])
            do {
                try ReadOnlyDirectory.run("/usr/bin/mount", ["-o", "remount,bind,ro", path])
            } catch {
                try end()
                throw error
            }
        } else if chmod(path, 0o500) != 0 {
            throw ClusterFailure("cannot take the right to write from \(path)")
        }
    }

    deinit { try? end() }  // Nobody is there to be told.

    /// It can be written to again.
    public func end() throws {
        let wasOver = isOver.update { isOver in
            defer { isOver = true }
            return isOver
        }
        guard !wasOver else { return }
        if ReadOnlyDirectory.isRoot {
            try ReadOnlyDirectory.run("/usr/bin/umount", ["--lazy", path])
        } else if chmod(path, 0o700) != 0 {
            throw ClusterFailure("cannot give back the right to write to \(path)")
        }
    }

    /// Whether it can be done here: a container may not let root mount anything.
    public static let isPossible: Bool = {
        do {
            let scratch = try ScratchDirectory("read-only")
            let held = try ReadOnlyDirectory(scratch.path)
            let isHeld = (try? File("\(scratch.path)/file", .create)) == nil
            try held.end()
            return isHeld
        } catch {
            return false
        }
    }()

    private static func run(_ program: String, _ arguments: [String]) throws {
        let run = try CommandRun(program, arguments)
        guard run.exitCode == 0 else {
            throw ClusterFailure("\(program) \(arguments): \(run.errors)")
        }
    }
}
