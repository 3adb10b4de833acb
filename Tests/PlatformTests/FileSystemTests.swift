import Foundation
import Platform
import Testing

/// A directory of a test's own, removed with the last reference.
private final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "\(NSTemporaryDirectory())/convoy-platform-\(UUID().uuidString)"
        try FileSystem.createDirectory(path)
    }

    deinit { try? FileSystem.removeTree(path) }  // Nothing depends on it.
}

@Suite struct FileTests {
    @Test func `appended bytes are read at their offsets`() throws {
        let directory = try TestDirectory()
        let file = try File("\(directory.path)/f", .create)
        try file.append([1, 2, 3])
        try file.append([])
        try file.append([4])
        try file.sync()
        #expect(try file.size() == 4)
        #expect(try file.read(at: 1, count: 2) == [2, 3])
        #expect(try file.read(at: 3, count: 10) == [4])
        #expect(try file.read(at: 9, count: 10) == [])
        try file.truncate(to: 2)
        try file.append([9])
        #expect(try FileSystem.readAll(file.path) == [1, 2, 9])
    }

    @Test func `written bytes go where they are asked to`() throws {
        let directory = try TestDirectory()
        let file = try File("\(directory.path)/f", .readWrite)
        try file.write([7], at: 2)
        try file.write([8, 9], at: 0)
        #expect(try FileSystem.readAll(file.path) == [8, 9, 7])
    }

    @Test func `an error names the call, the path and the reason`() throws {
        let directory = try TestDirectory()
        let path = "\(directory.path)/missing"
        let error = #expect(throws: FileError.self) { try File(path, .read) }
        #expect(error?.isMissing == true && error?.isDiskFull == false)
        #expect(error?.description == "open \(path): No such file or directory")
        _ = try File(path, .create)
        #expect(throws: FileError.self) { try File(path, .create) }
    }

    @Test func `a full disk is told as one`() throws {
        let full = try File("/dev/full", .append)
        let error = #expect(throws: FileError.self) { try full.append([1]) }
        #expect(error?.isDiskFull == true)
    }

    @Test func `one holder has the lock until it closes`() throws {
        let directory = try TestDirectory()
        let path = "\(directory.path)/LOCK"
        do {
            let holder = try File(path, .readWrite)
            #expect(try holder.lock())
            #expect(try !File(path, .readWrite).lock())
            withExtendedLifetime(holder) {}
        }
        // A neighbour that starts a process holds all that was open until its program runs.
        let next = try File(path, .readWrite)
        let deadline = MonotonicTime.now() + .seconds(60)
        var isFree = try next.lock()
        while !isFree, .now() < deadline {
            _ = Monitor(()).wait(until: .now() + .milliseconds(10)) { _ -> Void? in nil }
            isFree = try next.lock()
        }
        #expect(isFree)
    }
}

@Suite struct FileSystemTests {
    @Test func `replacing leaves the new bytes and nothing beside them`() throws {
        let directory = try TestDirectory()
        let path = "\(directory.path)/f"
        try FileSystem.replace(path, with: [1])
        // As after a crash in the middle of a replacement.
        try FileSystem.replace(path + ".new", with: [9, 9, 9])
        try FileSystem.replace(path, with: [2, 3])
        #expect(try FileSystem.readAll(path) == [2, 3])
        #expect(try FileSystem.list(directory.path) == ["f"])
    }

    @Test func `a replacement that fails leaves what was there`() throws {
        let directory = try TestDirectory()
        let path = "\(directory.path)/f"
        try FileSystem.createDirectory("\(path)/inside")
        #expect(throws: FileError.self) { try FileSystem.replace(path, with: [2]) }
        #expect(FileSystem.exists("\(path)/inside"))
    }

    @Test func `directories are made with what is missing above, and removed with what they hold`()
        throws
    {
        let directory = try TestDirectory()
        let root = "\(directory.path)/a"
        try FileSystem.createDirectory("\(root)/b/c")
        try FileSystem.createDirectory("\(root)/b/c")
        try FileSystem.replace("\(root)/b/f", with: [1])
        #expect(try FileSystem.list("\(root)/b") == ["c", "f"])
        try FileSystem.removeTree(root)
        #expect(!FileSystem.exists(root))
        try FileSystem.removeTree(root)
        try FileSystem.remove(root)
    }

    @Test func `removing a tree does not follow links out of it`() throws {
        let directory = try TestDirectory()
        try FileSystem.createDirectory("\(directory.path)/tree")
        try FileSystem.replace("\(directory.path)/outside", with: [1])
        try FileManager.default.createSymbolicLink(
            atPath: "\(directory.path)/tree/link", withDestinationPath: directory.path)
        try FileSystem.removeTree("\(directory.path)/tree")
        #expect(FileSystem.exists("\(directory.path)/outside"))
    }

    @Test func `a file above the limit is not read`() throws {
        let directory = try TestDirectory()
        try FileSystem.replace("\(directory.path)/f", with: [1, 2, 3])
        #expect(try FileSystem.readAll("\(directory.path)/f", bytesMax: 3).count == 3)
        #expect(throws: FileError.self) {
            try FileSystem.readAll("\(directory.path)/f", bytesMax: 2)
        }
        #expect(try FileSystem.size("\(directory.path)/f") == 3)
    }

    @Test func `paths have parents`() {
        #expect(FileSystem.parent(of: "/a/b") == "/a")
        #expect(FileSystem.parent(of: "/a") == "/")
        #expect(FileSystem.parent(of: "a") == ".")
    }

    @Test func `space is told in bytes`() throws {
        let space = try FileSystem.space(at: "/tmp")
        #expect(space.freeBytes <= space.totalBytes && space.totalBytes > 1 << 20)
    }
}
