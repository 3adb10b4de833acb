import Glibc

/// Files and directories by path. Every call blocks until the system answers.
public enum FileSystem {
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Makes the directory and what is missing above it.
    public static func createDirectory(_ path: String) throws(FileError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw FileError("mkdir", path)
        }
        try createDirectory(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileError("mkdir", path) }
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func list(_ path: String) throws(FileError) -> [String] {
        guard let directory = opendir(path) else { throw FileError("opendir", path) }
        defer { closedir(directory) }

        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    public static func readAll(_ path: String, bytesMax: Int = 1 << 30) throws(FileError) -> [UInt8]
    {
        let file = try File(path, .read)
        let size = try file.size()
        guard size <= UInt64(bytesMax) else { throw FileError("read", path, code: EFBIG) }
        return try file.read(at: 0, count: Int(size))
    }

    /// The file at `path` holds `bytes` afterwards, or still what it held: written beside it,
    /// synced, renamed, and the directory synced.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
        let staged = path + ".new"
        try remove(staged)
        let file = try File(staged, .create)
        try file.append(bytes)
        try file.sync()
        try rename(staged, to: path)
    }

    /// Renames and syncs the directory of the new name.
    public static func rename(_ path: String, to newPath: String) throws(FileError) {
        guard Glibc.rename(path, newPath) == 0 else { throw FileError("rename", path) }
        try syncDirectory(parent(of: newPath))
    }

    /// Makes the names in a directory durable.
    public static func syncDirectory(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open", path) }
        defer { close(descriptor) }

        guard fsync(descriptor) == 0 else { throw FileError("fsync", path) }
    }

    /// Removes a file. A missing one is no error.
    public static func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError("unlink", path) }
    }

    /// Removes a directory with all it holds, or a file. A missing one is no error.
    public static func removeTree(_ path: String) throws(FileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw FileError("stat", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeTree("\(path)/\(name)") }
        guard rmdir(path) == 0 || errno == ENOENT else { throw FileError("rmdir", path) }
    }

    public static func size(_ path: String) throws(FileError) -> UInt64 {
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileError("stat", path) }
        return UInt64(status.st_size)
    }

    /// What an unprivileged process can still write to the file system that holds `path`.
    public static func space(at path: String) throws(FileError) -> (
        freeBytes: UInt64, totalBytes: UInt64
    ) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw FileError("statvfs", path) }
        let block = UInt64(status.f_frsize)
        return (UInt64(status.f_bavail) * block, UInt64(status.f_blocks) * block)
    }

    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
