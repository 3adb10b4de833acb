import Engine
import Platform
import Testing

@Suite struct DataDirectoryTests {
    @Test func `a second process does not get a directory that is in use`() throws {
        let root = try TestDirectory()
        let path = root.path + "/data-of-n1"
        do {
            let first = try DataDirectory(path: path)
            // The lock belongs to the open file: a second one meets it in this process, too.
            #expect {
                _ = try DataDirectory(path: path)
            } throws: { error in
                if case EngineError.locked(path) = error { true } else { false }
            }
            #expect(first.path == path)
        }
        // At once, also while a process that another test spawns just now has the file open, too.
        _ = try DataDirectory(path: path)
    }

    @Test func `CURRENT names the incarnation that counts`() throws {
        let root = try TestDirectory()
        let directory = try DataDirectory(path: root.path)
        #expect(try directory.current() == nil)
        let first = try directory.makeIncarnation()
        let second = try directory.makeIncarnation()
        #expect(first.path == "\(root.path)/data/i000001")
        #expect(second.path == "\(root.path)/data/i000002")
        #expect(try directory.current() == nil)
        try directory.makeCurrent(first)
        #expect(try directory.current() == first)
        try directory.makeCurrent(second)
        #expect(try directory.current() == second)
        try directory.removeLeftovers(beside: second)
        #expect(try FileSystem.list(root.path + "/data") == ["i000002"])
        #expect(directory.takeInterrupted() == nil)
        #expect(try directory.makeIncarnation().path.hasSuffix("i000003"))
        try directory.forgetCurrent()
        #expect(try directory.current() == nil)
        try directory.forgetCurrent()
    }

    @Test func `of what was being fetched the newest is kept, until it is taken or not needed`()
        throws
    {
        let root = try TestDirectory()
        let directory = try DataDirectory(path: root.path)
        let current = try directory.makeIncarnation()
        try directory.makeCurrent(current)
        for isFetching in [true, true, false] {
            let incarnation = try directory.makeIncarnation()
            if isFetching { try FileSystem.replace(incarnation.fetchPath, with: []) }
        }
        try directory.removeLeftovers(beside: current)
        #expect(try Set(FileSystem.list(root.path + "/data")) == ["i000001", "i000003"])
        #expect(directory.takeInterrupted()?.name == "i000003")
        #expect(directory.takeInterrupted() == nil, "it is somebody else's now")
        directory.dropInterrupted()
        #expect(try Set(FileSystem.list(root.path + "/data")) == ["i000001", "i000003"])

        try directory.removeLeftovers(beside: current)
        directory.dropInterrupted()
        #expect(try FileSystem.list(root.path + "/data") == ["i000001"])
    }

    @Test(arguments: ["", "i1", "../../etc", "i000001/x", "i00000x", "x000001"])
    func `a CURRENT that names no incarnation is damage`(text: String) throws {
        let root = try TestDirectory()
        let directory = try DataDirectory(path: root.path)
        try FileSystem.replace(root.path + "/CURRENT", with: bytes(text))
        #expect(throws: EngineError.self) { _ = try directory.current() }
    }

    @Test func `other names beside the incarnations do not disturb their count`() throws {
        let root = try TestDirectory()
        let directory = try DataDirectory(path: root.path)
        try FileSystem.createDirectory(root.path + "/data/x4294967295")
        #expect(try directory.makeIncarnation().path.hasSuffix("i000001"))
    }
}
