import Foundation
import RocksDB
import Testing

@Suite struct DatabaseTests {
    private func options(mustExist: Bool = false) -> DatabaseOptions {
        var options = DatabaseOptions()
        options.mustExist = mustExist
        options.blockCacheBytes = 4 << 20
        return options
    }

    private func keys(_ iterator: DatabaseIterator) throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        while iterator.isValid {
            found.append(iterator.key)
            iterator.next()
        }
        try iterator.checkFailure()
        return found
    }

    @Test func `what was written can be read, in whole or its beginning`() throws {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        let value = (0..<100).map { UInt8($0) }
        try database.write(batch: TestBatch.encode([([1], value), ([2], []), ([0, 0], [9])]))
        #expect(try database.get([1]) == value)
        #expect(try database.get([2]) == [])
        #expect(try database.get([0, 0]) == [9])
        #expect(try database.get([3]) == nil)
        let prefix = try #require(try database.getPrefix([1], prefixBytes: 21))
        #expect(prefix.prefix == Array(value[..<21]))
        #expect(prefix.valueBytes == 100)
        let whole = try #require(try database.getPrefix([0, 0], prefixBytes: 21))
        #expect(whole.prefix == [9])
        #expect(try database.getPrefix([3], prefixBytes: 21) == nil)
    }

    @Test func `an iterator keeps within its bounds, also when it seeks beyond them`() throws {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        try database.write(batch: TestBatch.encode((0..<10).map { ([$0], [$0]) }))
        let iterator = DatabaseIterator(database, from: [3], to: [7])
        #expect(try keys(iterator) == [[3], [4], [5], [6]])
        iterator.seek([5])
        #expect(try keys(iterator) == [[5], [6]])
        iterator.seek([0])
        #expect(try keys(iterator) == [[3], [4], [5], [6]])
        iterator.seek([8])
        #expect(!iterator.isValid)
    }

    @Test func `a snapshot does not see later writes`() throws {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        try database.write(batch: TestBatch.encode([([1], [1]), ([2], [2])]))
        let snapshot = DatabaseSnapshot(of: database)
        try database.write(batch: TestBatch.encode([([1], [9]), ([3], [3])]))
        try database.write(batch: TestBatch.deleteRange(from: [2], to: [3]))
        #expect(try snapshot.get([1]) == [1])
        #expect(try snapshot.get([2]) == [2])
        #expect(try keys(snapshot.iterator(from: [0], to: [9])) == [[1], [2]])
        #expect(try keys(DatabaseIterator(database, from: [0], to: [9])) == [[1], [3]])
    }

    @Test func `what is in files can be told from what is in memory`() throws {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        try database.write(batch: TestBatch.encode([([1], [1])]))
        #expect(try database.getPersisted([1]) == nil)
        try database.flush()
        try database.write(batch: TestBatch.encode([([1], [2])]))
        #expect(try database.getPersisted([1]) == [1])
        #expect(try database.get([1]) == [2])
        #expect((database.property("rocksdb.total-sst-files-size") ?? 0) > 0)
        #expect(database.property("rocksdb.no-such-thing") == nil)
    }

    @Test func `an iterator and a snapshot keep their database open`() throws {
        let directory = try TestDirectory()
        var database: Database? = try Database(path: directory.path + "/db", options: options())
        try database?.write(batch: TestBatch.encode([([1], [1])]))
        let iterator = try DatabaseIterator(#require(database), from: [0], to: [9])
        let snapshot = try DatabaseSnapshot(of: #require(database))
        database = nil
        #expect(try keys(iterator) == [[1]])
        #expect(try snapshot.get([1]) == [1])
    }

    @Test func `a database that must exist is not made`() throws {
        let directory = try TestDirectory()
        let path = directory.path + "/db"
        #expect(throws: RocksDBError.self) {
            try Database(path: path, options: options(mustExist: true))
        }
        #expect(throws: RocksDBError.self) { try Database(readOnly: path, options: options()) }
        do { _ = try Database(path: path, options: options()) }
        _ = try Database(path: path, options: options(mustExist: true))
    }

    @Test func `a checkpoint has every write that ended before it, and is read without a trace`()
        throws
    {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        let path = directory.path + "/checkpoint"
        for round in UInt8(1)...5 {
            try database.write(batch: TestBatch.encode([([round], [round])]))
            let path = "\(path)-\(round)"
            try database.checkpoint(to: path)
            let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            let copy = try Database(readOnly: path, options: options())
            #expect(try copy.get([round]) == [round])
            #expect(try copy.get([round + 1]) == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == names)
        }
        #expect(throws: RocksDBError.self) { try database.checkpoint(to: path + "-1") }
    }

    @Test func `files that hold nothing but a range go at once`() throws {
        let directory = try TestDirectory()
        let database = try Database(path: directory.path + "/db", options: options())
        let value = [UInt8](repeating: 7, count: 1_000)
        try database.write(batch: TestBatch.encode((0..<200).map { ([5, $0], value) }))
        try database.write(batch: TestBatch.encode([([1], [1]), ([9], [9])]))
        try database.write(batch: TestBatch.deleteRange(from: [5], to: [6]))
        #expect(try keys(DatabaseIterator(database, from: [0], to: [10])) == [[1], [9]])
        try database.flush()
        try database.deleteFiles(from: [5], to: [6])
        database.compact(from: [5], to: [6])
        #expect(try keys(DatabaseIterator(database, from: [0], to: [10])) == [[1], [9]])
    }

    @Test func `a damaged block is an error, not an end`() throws {
        let directory = try TestDirectory()
        let path = directory.path + "/db"
        do {
            let database = try Database(path: path, options: options())
            try database.write(
                batch: TestBatch.encode(
                    (0..<200).map { ([$0], [UInt8](repeating: $0, count: 100)) }))
            try database.flush()
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        let table = try #require(names.first { $0.hasSuffix(".sst") })
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(table)"))
        bytes[50] ^= 1
        try bytes.write(to: URL(fileURLWithPath: "\(path)/\(table)"))
        let database = try Database(path: path, options: options())
        #expect(throws: RocksDBError.self) { try database.get([0]) }
        let iterator = DatabaseIterator(database, from: [0], to: [255])
        #expect(!iterator.isValid)
        #expect(throws: RocksDBError.self) { try iterator.checkFailure() }
    }
}
