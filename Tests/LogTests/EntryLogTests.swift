import Log
import Platform
import Testing

@Suite struct EntryLogTests {
    @Test func `an empty log begins behind the position it was made for`() throws {
        let directory = try TestDirectory()
        let start = Position(index: LogIndex(9), hash: Hash128(high: 1, low: 2))
        let log = try EntryLog.create(in: directory, after: start)
        #expect(log.first == LogIndex(10))
        #expect(log.last == start)
        #expect(log.syncedIndex == start.index)
        #expect(log.lastTime == nil)
        #expect(try log.position(at: LogIndex(9)) == start)
        #expect(failure { try log.check(.origin) } == .notRetained(first: LogIndex(10)))
        var reader = try log.reader(after: start)
        #expect(try reader.next(bytesMax: 10, through: LogIndex(100)) == nil)
    }

    @Test func `a second log is not made over the first`() throws {
        let directory = try TestDirectory()
        _ = try EntryLog.create(in: directory)
        #expect(failure { _ = try EntryLog.create(in: directory) }?.isDamage == true)
    }

    @Test(arguments: [true, false])
    func `what is appended is read, also after a restart`(isEncoded: Bool) throws {
        let directory = try TestDirectory()
        let written = records(payloadBytes: [0, 5, 300, 1, 80_000, 7])
        do {
            let log = try EntryLog.create(in: directory)
            try log.append(
                written, encoded: isEncoded ? written.flatMap { $0.encode() } : nil)
            #expect(try log.readAll(after: .origin) == written)
            #expect(log.last == written[5].position)
            #expect(log.lastTime == written[5].time)
            #expect(log.lastReign == reign)
        }
        let (log, recovery) = try EntryLog.open(in: directory, state: written[2].position)
        #expect(recovery.cut == nil && recovery.renewal == nil && recovery.removedFiles.isEmpty)
        #expect(recovery.scannedRecords == 6)
        #expect(log.lineage == testLineage)
        #expect(log.last == written[5].position)
        #expect(log.syncedIndex == written[5].position.index)
        #expect(log.lastReign == reign)
        #expect(try log.readAll(after: written[1].position) == Array(written[2...]))
        let more = records(after: log.last, count: 2)
        try log.append(more)
        #expect(try log.readAll(after: .origin) == written + more)
    }

    @Test func `a group that does not fit begins a segment, and stays together`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 300)
        let written = records(payloadBytes: [20, 20, 20, 20, 1_000, 20])
        try log.append([written[0], written[1]])
        #expect(log.segmentCount == 1)
        try log.append([written[2], written[3]])
        #expect(log.segmentCount == 2)
        #expect(log.syncedIndex == LogIndex(2))
        try log.append([written[4]])
        #expect(log.segmentCount == 3)
        try log.append([written[5]])
        #expect(log.segmentCount == 4)
        #expect(try log.readAll(after: .origin) == written)
        let sizes = try directory.segments().map { try FileSystem.size($0) }
        #expect(sizes == [204, 204, 1_120, 140])
        #expect(log.bytes == sizes.reduce(0, +))
    }

    @Test func `the sync policy decides what is on disk when an append returns`() throws {
        for policy in SyncPolicy.allCases {
            let directory = try TestDirectory()
            let log = try EntryLog.create(in: directory, policy)
            try log.append(records(count: 3))
            #expect(log.syncedIndex.rawValue == (policy == .always ? 3 : 0))
            try log.sync()
            #expect(log.syncedIndex == LogIndex(3))
        }
    }

    @Test func `positions are found wherever they are`() throws {
        let directory = try TestDirectory()
        let written = records(count: 3_000, bytes: 200)
        func expectPositions(_ log: EntryLog) throws {
            for record in written.shuffled().prefix(300) + [written[0], written[2_999]] {
                #expect(try log.position(at: record.position.index) == record.position)
                try log.check(record.position)
            }
            #expect(try log.position(at: .zero) == .origin)
        }
        do {
            let log = try EntryLog.create(in: directory, segmentBytesMax: 200_000)
            for start in stride(from: 0, to: 3_000, by: 10) {
                try log.append(Array(written[start..<start + 10]))
            }
            #expect(log.segmentCount == 4)
            try expectPositions(log)
        }
        let (log, recovery) = try EntryLog.open(in: directory, state: written[2_900].position)
        #expect(recovery.scannedRecords < 1_000)
        try expectPositions(log)
    }

    @Test func `the handshake tells the three ways to differ apart`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 300)
        let written = records(count: 12)
        for record in written { try log.append([record]) }
        try log.trim(keepingFrom: LogIndex(9), bytesMin: 0)
        #expect(log.first > LogIndex(3) && log.first <= LogIndex(9))

        try log.check(written[9].position)
        try log.check(written[Int(log.first.rawValue) - 2].position)
        let other = records(payloadBytes: Array(repeating: 19, count: 12))
        #expect(
            failure { try log.check(other[9].position) } == .hashDiffers(at: written[9].position))
        #expect(
            failure { _ = try log.reader(after: other[11].position) }
                == .hashDiffers(at: log.last))
        #expect(failure { try log.check(written[1].position) } == .notRetained(first: log.first))
        let beyond = Position(index: LogIndex(13), hash: .zero)
        #expect(failure { try log.check(beyond) } == .ahead(last: log.last))
    }

    @Test func `after a failure nothing is written any more`() throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 100)
        try log.append(records(count: 2))
        // In the way of the next segment.
        _ = try File("\(directory.log)/00000000000000000003.log", .create)
        let next = records(after: log.last, count: 1)
        let error = failure { try log.append(next) }
        guard case .io(let cause) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause.operation == "open")
        #expect(failure { try log.append(next) } == .io(cause))
        #expect(failure { try log.sync() } == .io(cause))
        #expect(log.last.index == LogIndex(2))
        #expect(try log.readAll(after: .origin) == records(count: 2))
    }

    @Test func `entries that do not follow stop the process`() async {
        await #expect(processExitsWith: .failure) {
            let directory = try TestDirectory()
            let log = try EntryLog.create(in: directory)
            try log.append(
                records(after: Position(index: .zero, hash: .init(high: 1, low: 1)), count: 1))
        }
        await #expect(processExitsWith: .failure) {
            let directory = try TestDirectory()
            let log = try EntryLog.create(in: directory)
            try log.append(records(count: 1))
            let lower = Reign(term: 2, holder: NodeNumber(rawValue: 1))
            try log.append(records(after: log.last, payloadBytes: [1], reign: lower))
        }
    }
}

@Suite struct TrimTests {
    private func filled(_ directory: TestDirectory) throws -> EntryLog {
        let log = try EntryLog.create(in: directory, segmentBytesMax: 300)
        for record in records(count: 30) { try log.append([record]) }
        #expect(log.segmentCount == 10)  // Three entries in each.
        return log
    }

    @Test func `only whole segments below the index go`() throws {
        let directory = try TestDirectory()
        let log = try filled(directory)
        #expect(try log.trim(keepingFrom: LogIndex(3), bytesMin: 0) == (0, 0))
        let segmentBytes = try FileSystem.size(directory.segments()[0])
        #expect(try log.trim(keepingFrom: LogIndex(9), bytesMin: 0) == (2, 2 * segmentBytes))
        #expect(log.first == LogIndex(7))
        #expect(try directory.segments().count == 8)
        #expect(try log.readAll(after: log.position(at: LogIndex(6))).count == 24)
    }

    @Test func `the last segment and the least number of bytes stay`() throws {
        let directory = try TestDirectory()
        let log = try filled(directory)
        let all = log.bytes
        try log.trim(keepingFrom: LogIndex(31), bytesMin: all / 2)
        #expect(log.segmentCount == 5 && log.bytes >= all / 2)
        try log.trim(keepingFrom: LogIndex(31), bytesMin: 0)
        #expect(log.segmentCount == 1 && log.first == LogIndex(28))
    }

    @Test func `a trimmed log opens`() throws {
        let directory = try TestDirectory()
        let last: Position
        do {
            let log = try filled(directory)
            try log.trim(keepingFrom: LogIndex(14), bytesMin: 0)
            last = log.last
        }
        let log = try EntryLog.open(in: directory, state: last).log
        #expect(log.first == LogIndex(13) && log.last == last)
        let report = LogVerifier.verify(directory: directory.log)
        #expect(report.findings.isEmpty)
        #expect(report.records == 18 && report.last == last)
    }

    @Test func `a reader in a trimmed segment reads it to its end, then has to start over`() throws
    {
        let directory = try TestDirectory()
        let log = try filled(directory)
        var reader = try log.reader(after: .origin)
        #expect(try reader.next(bytesMax: 1, through: log.last.index)?.count == 1)
        try log.trim(keepingFrom: LogIndex(7), bytesMin: 0)
        #expect(try reader.next(bytesMax: 10_000, through: log.last.index)?.count == 2)
        #expect(
            failure { _ = try reader.next(bytesMax: 1, through: log.last.index) }
                == .notRetained(first: LogIndex(7)))
    }

    @Test func `bytes behind shrink to nothing at the end`() throws {
        let directory = try TestDirectory()
        let log = try filled(directory)
        let perEntry = UInt64(records(count: 1)[0].encodedBytes)
        #expect(log.bytes(after: log.last.index) == 0)
        for index in 0..<30 {
            #expect(log.bytes(after: LogIndex(UInt64(index))) == UInt64(30 - index) * perEntry)
        }
    }
}
