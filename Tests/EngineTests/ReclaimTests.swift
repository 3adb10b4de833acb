import Engine
import Glibc
import Log
import Platform
import Testing

/// A flush is one entry; the space comes back afterwards.
@Suite struct ReclaimTests {
    /// Of values that do not compress, in two namespaces; all of it in the database's files.
    private func filled(
        _ directory: TestDirectory
    ) throws -> (engine: Engine, committer: Committer) {
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b")
        var random = SplitMix64(seed: 7)
        // One for all: larger than a block of a file, so none is compressed by another.
        let value = random.bytes(16 << 10)
        for name: NamespaceName in ["a", "b"] {
            for number in 0..<400 {
                let write = KeyWrite.put(key: bytes("k\(number)"), value: value)
                try committer.done(WriteKeys(namespace: name, writes: [write]))
            }
        }
        try engine.flush()
        return (engine, committer)
    }

    private func databaseBytes(_ directory: TestDirectory) throws -> UInt64 {
        let path = directory.incarnation.path + "/db"
        // A file that is not needed any more may go while this looks.
        return try FileSystem.list(path).reduce(0) {
            $0 + ((try? FileSystem.size("\(path)/\($1)")) ?? 0)
        }
    }

    @Test(arguments: [false, true])
    func `the space of a namespace that is flushed or removed comes back`(isRemoved: Bool) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try filled(directory)
        try engine.reclaimSpace()
        #expect(engine.reclaimStatus.reclaimedBytes == 0, "there is nothing to give back")
        let full = try databaseBytes(directory)
        #expect(full > 12 << 20)

        if isRemoved {
            try committer.done(DeleteNamespace(name: "a"))
        } else {
            try committer.done(FlushNamespace(name: "a"))
            try committer.put("a", "after", "the flush")
        }
        try engine.measureReclaim()
        #expect(engine.reclaimStatus.pendingBytes > 6 << 20)
        #expect(engine.reclaimStatus.reclaimedBytes == 0)
        try engine.reclaimSpace()
        try engine.measureReclaim()
        #expect(engine.reclaimStatus.pendingBytes == 0)
        #expect(engine.reclaimStatus.reclaimedBytes > 6 << 20)
        // The database removes its files when their compaction is done, or soon after.
        let deadline = soon
        while try databaseBytes(directory) >= full * 6 / 10, .now() < deadline { usleep(1000) }
        #expect(try databaseBytes(directory) < full * 6 / 10)

        #expect(try engine.contents("b").count == 400)
        if !isRemoved { #expect(try engine.value("a", "after") == "the flush") }
        #expect(try engine.persistedIndex() == engine.state.position.index)
        committer.stop(until: soon)
    }

    @Test func `among many leftovers space comes back, and they are forgotten`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try filled(directory)
        // More than are looked at without a rest.
        let names = try (100..<170).map { try #require(NamespaceName(rawValue: "n\($0)")) }
        for name in names {
            try committer.create(name)
            try committer.put(name, "k", "v")
        }
        for name in names + ["a"] { try committer.done(DeleteNamespace(name: name)) }
        // The housekeeping looks every second, and each time before space is given back.
        try engine.measureReclaim()
        try engine.measureReclaim(isUrgent: true)
        #expect(engine.reclaimStatus.pendingBytes > 6 << 20)
        #expect(engine.isReclaimDue)
        try engine.reclaimSpace()
        #expect(engine.reclaimStatus.reclaimedBytes > 6 << 20)
        try engine.measureReclaim(isUrgent: true)
        #expect(engine.reclaimStatus.pendingBytes == 0)

        // Those that came before the flush of the large one are left to the next pass, after a rest.
        let deadline = MonotonicTime.now() + .seconds(10)
        while !engine.isReclaimDue, .now() < deadline { usleep(1000) }
        try engine.reclaimSpace()
        #expect(engine.isReclaimDue)
        committer.stop(until: soon)
    }

    /// Flushed, removed among others, or removed as the last that was made.
    @Test(arguments: ["flushed", "between", "last"])
    func `what one process leaves behind is given back by the next`(how: String) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try filled(directory)
        if how == "flushed" {
            try committer.done(FlushNamespace(name: "a"))
        } else {
            try committer.done(DeleteNamespace(name: "a"))
            if how == "last" {
                try committer.done(DeleteNamespace(name: "b"))
                try committer.create("c")
                try committer.done(DeleteNamespace(name: "c"))
            }
        }
        try engine.flush()
        committer.stop(until: soon)
        let (again, _) = try Engine.reopen(try directory.copy(of: engine))
        try again.reclaimSpace()
        #expect(again.reclaimStatus.reclaimedBytes > (how == "last" ? 12 : 6) << 20)
        if how != "last" { #expect(try again.contents("b").count == 400) }
    }

    @Test func `nothing is given back once it was told to stop`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try filled(directory)
        try committer.done(FlushNamespace(name: "a"))
        engine.stopReclaiming()
        try engine.reclaimSpace()
        #expect(engine.reclaimStatus.reclaimedBytes == 0)
        #expect(try engine.contents("a").isEmpty)
        committer.stop(until: soon)
    }
}
