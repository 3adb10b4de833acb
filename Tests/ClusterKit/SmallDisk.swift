import Glibc
import Platform

/// A file system of its own with a given size, in memory, mounted at a directory until it is
/// unmounted. Only root can make one.
public final class SmallDisk: Sendable {
    public let path: String

    public static var isPossible: Bool { geteuid() == 0 }

    public init(at path: String, bytes: Int) throws {
        self.path = path
        try FileSystem.createDirectory(path)
        guard mount("convoy-tests", path, "tmpfs", 0, "size=\(bytes)") == 0 else {
            throw ClusterFailure("cannot mount at \(path): errno \(errno)")
        }
    }

    /// What still uses it may go on; the directory is empty again.
    public func unmount() { umount2(path, Int32(MNT_DETACH)) }

    public func resize(bytes: Int) throws {
        guard mount("convoy-tests", path, "tmpfs", UInt(MS_REMOUNT), "size=\(bytes)") == 0
        else { throw ClusterFailure("cannot resize \(path): errno \(errno)") }
    }

    /// Leaves nothing free, by a file of zeros.
    public func fill() throws {
        let file = try File(path + "/filler", .readWrite)
        let zeros = [UInt8](repeating: 0, count: 64 << 10)
        var offset: UInt64 = 0
        while true {
            do throws(FileError) {
                try file.write(zeros, at: offset)
            } catch {
                guard error.isDiskFull else { throw error }
                return
            }
            offset += UInt64(zeros.count)
        }
    }

    public func unfill() throws { try FileSystem.remove(path + "/filler") }
}
