import Glibc

/// A system call on a file failed.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    public let operation: String
    public let path: String
    /// The C library's `errno`.
    public let code: Int32

    /// Takes `errno` of the call that just failed, unless a code is given.
    public init(_ operation: String, _ path: String, code: Int32? = nil) {
        let code = code ?? errno
        self.operation = operation
        self.path = path
        self.code = code
    }

    public var isMissing: Bool { code == ENOENT }
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    public var description: String {
        "\(operation) \(path): \(String(cString: strerror(code)))"
    }
}

/// An open file. Closed with its last reference. Every call blocks until the system answers.
///
/// Safe from any thread: `pread`, `pwrite`, `write` and `fdatasync` on one descriptor are.
public final class File: Sendable {
    public let path: String
    package let descriptor: Int32

    public enum Access: Sendable {
        case read
        /// Writes go to the end; the file must exist.
        case append
        /// Made new; fails when it exists.
        case create
        /// Written at offsets; made when missing.
        case readWrite
    }

    public init(_ path: String, _ access: Access) throws(FileError) {
        let flags =
            switch access {
            case .read: O_RDONLY
            case .append: O_RDWR | O_APPEND
            case .create: O_RDWR | O_APPEND | O_CREAT | O_EXCL
            case .readWrite: O_RDWR | O_CREAT
            }
        descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError("open", path) }
        self.path = path
    }

    deinit { close(descriptor) }

    public func size() throws(FileError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("stat", path) }
        return UInt64(status.st_size)
    }

    /// Writes all of `bytes` at the end (with ``Access/append`` or ``Access/create``).
    ///
    /// - Throws: After which an unknown part of `bytes` is in the file.
    public func append(_ bytes: [UInt8]) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileError("write", path) }
            done += count
        }
    }

    /// Writes all of `bytes` at `offset` (with ``Access/readWrite``).
    public func write(_ bytes: [UInt8], at offset: UInt64) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(
                    descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done,
                    off_t(offset) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileError("write", path) }
            done += count
        }
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    public func read(at offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset) + off_t(filled))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failed = true }
                if got <= 0 { return }
                filled += got
            }
        }
        guard !failed else { throw FileError("read", path) }
        return bytes
    }

    /// Returns once the file's bytes are on disk (`fdatasync`). After a failure nothing is known
    /// about what reached the disk: the caller must stop writing.
    public func sync() throws(FileError) {
        guard fdatasync(descriptor) == 0 else { throw FileError("fdatasync", path) }
    }

    public func truncate(to size: UInt64) throws(FileError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw FileError("truncate", path) }
    }

    /// Takes the exclusive lock of the file for as long as it is open.
    ///
    /// - Returns: False when another process has it.
    public func lock() throws(FileError) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw FileError("lock", path) }
        return false
    }

    /// Gives the lock back before the file is closed.
    public func unlock() { flock(descriptor, LOCK_UN) }
}
