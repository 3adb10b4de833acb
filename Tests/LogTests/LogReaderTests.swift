import Log
import Platform
import Testing

@Suite struct LogReaderTests {
    @Test func `chunks keep to the size and the last index asked for`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory)
        let written = records(count: 50, bytes: 56)  // 100 bytes each.
        try log.append(written)
        var reader = try log.reader(after: written[4].position)
        let chunk = try #require(try reader.next(bytesMax: 350, through: LogIndex(50)))
        #expect(chunk.first == LogIndex(6) && chunk.count == 3 && chunk.bytes.count == 300)
        #expect(chunk.last == written[7].position && reader.position == chunk.last)
        #expect(try chunk.records(after: written[4].position) == Array(written[5...7]))

        #expect(try reader.next(bytesMax: 5_000, through: LogIndex(10))?.count == 2)
        #expect(try reader.next(bytesMax: 5_000, through: LogIndex(10)) == nil)
        #expect(try reader.next(bytesMax: 0, through: LogIndex(12))?.count == 1)
        #expect(try reader.next(bytesMax: 1_000_000, through: LogIndex(900))?.count == 39)
        #expect(try reader.next(bytesMax: 1_000_000, through: LogIndex(900)) == nil)
    }

    @Test func `a record larger than the size asked for comes whole`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory)
        let written = records(payloadBytes: [10, 2_000_000, 10])
        try log.append(written)
        #expect(try log.readAll(after: .origin, bytesMax: 60) == written)
    }

    @Test func `reading crosses segments`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 300)
        let written = records(count: 40)
        for record in written { try log.append([record]) }
        for start in 0..<40 {
            let position = start == 0 ? Position.origin : written[start - 1].position
            #expect(try log.readAll(after: position, bytesMax: 1_000) == Array(written[start...]))
        }
    }

    @Test func `what was damaged since is not delivered`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory)
        let written = records(count: 5)
        try log.append(written)
        let path = try directory.segments()[0]
        var bytes = try FileSystem.readAll(path)
        bytes[bytes.count - 30] ^= 4  // In the last record.
        try File(path, .readWrite).write(bytes, at: 0)
        var reader = try log.reader(after: .origin)
        #expect(
            failure { _ = try reader.next(bytesMax: 1_000, through: LogIndex(5)) }?.isDamage == true
        )
        #expect(reader.position == .origin)
        #expect(try reader.next(bytesMax: 1_000, through: LogIndex(4))?.count == 4)
    }

    @Test func `readers follow an appender, a syncer and a trimmer`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 20_000)
        let groups = 400
        let deadline = MonotonicTime.now() + .seconds(300)
        let found = Monitor<[Position]>([])
        let threads = (0..<3).map { number in
            WorkerThread(name: "reader-\(number)") {
                var last = Position.origin
                while last.index.rawValue < UInt64(groups * 5), MonotonicTime.now() < deadline {
                    do {
                        var reader = try log.reader(after: last)
                        while let chunk = try reader.next(
                            bytesMax: 700 * (number + 1), through: log.last.index)
                        {
                            _ = try chunk.records(after: last)
                            last = chunk.last
                        }
                    } catch {
                        // Trimmed: as a replica would, go on from what there is.
                        if let start = try? log.position(at: LogIndex(log.first.rawValue - 1)) {
                            last = start
                        }
                    }
                }
                let reached = last
                found.update { $0.append(reached) }
            }
        }
        let syncer = WorkerThread(name: "syncer") {
            while log.syncedIndex.rawValue < UInt64(groups * 5), MonotonicTime.now() < deadline {
                try? log.sync()
                _ = log.bytes(after: LogIndex(7))
            }
        }
        for _ in 0..<groups {
            try log.append(records(after: log.last, count: 5, bytes: 60))
            try log.trim(keepingFrom: log.last.index, bytesMin: 60_000)
        }
        for thread in threads + [syncer] { #expect(thread.join(until: deadline)) }
        #expect(found.withLock { $0 } == Array(repeating: log.last, count: 3))
    }
}
