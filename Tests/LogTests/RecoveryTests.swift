import Log
import Platform
import Testing

/// A small log in two segments: entries 1 to 4, and 5 to 8.
private struct SmallLog {
    let directory: TestDirectory
    let written = records(payloadBytes: [10, 20, 0, 30, 8, 0, 25, 3])

    init() throws {
        directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, segmentBytesMax: 350)
        try log.append(Array(written[0..<4]))
        try log.append(Array(written[4..<8]))
        #expect(log.segmentCount == 2)
    }

    var headerBytes: Int { 76 }

    /// Where in the last segment its records end: after n of them at `ends[n]`.
    var ends: [Int] {
        written[4...].reduce(into: [headerBytes]) { $0.append(($0.last ?? 0) + $1.encodedBytes) }
    }

    /// A copy whose segment `slot` holds what `change` made of it.
    func copy(slot: Int, _ change: (inout [UInt8]) -> Void) throws -> TestDirectory {
        let other = try TestDirectory()
        try directory.copyLog(to: other)
        let path = try other.segments()[slot]
        var bytes = try FileSystem.readAll(path)
        change(&bytes)
        try FileSystem.replace(path, with: bytes)
        return other
    }
}

@Suite struct TornTailTests {
    private let small: SmallLog
    private let whole: [UInt8]

    init() throws {
        small = try SmallLog()
        whole = try FileSystem.readAll(small.directory.segments()[1])
    }

    @Test func `whatever length the last segment is torn to, its whole records stay`() throws {
        for length in small.headerBytes...whole.count {
            let torn = try small.copy(slot: 1) { $0.removeLast(whole.count - length) }
            let count = small.ends.lastIndex { $0 <= length } ?? 0
            let kept = Array(small.written[..<(4 + count)])
            let (log, recovery) = try EntryLog.open(in: torn, state: small.written[3].position)
            #expect(log.last == kept.last?.position, "length \(length)")
            #expect(try log.readAll(after: .origin) == kept)

            let cutBytes = length - small.ends[count]
            #expect(recovery.cut?.bytes == (cutBytes == 0 ? nil : UInt64(cutBytes)))
            if let cut = recovery.cut {
                #expect(
                    try FileSystem.readAll(cut.keptIn) == Array(whole[small.ends[count]..<length]))
                #expect(cut.after == log.last && cut.offset == UInt64(small.ends[count]))
                #expect(cut.file == (try torn.segments()[1]))
            }
            // It goes on, and opens again without a finding.
            try log.append(records(after: log.last, count: 1))
            let again = try EntryLog.open(in: torn, state: log.last)
            #expect(again.recovery.cut == nil && again.log.last == log.last)
        }
    }

    @Test func `what was known to be on disk is never cut`() throws {
        for length in small.headerBytes..<whole.count {
            let torn = try small.copy(slot: 1) { $0.removeLast(whole.count - length) }
            let last = UInt64(4 + (small.ends.lastIndex { $0 <= length } ?? 0))
            for synced in (last + 1)...8 {
                let refusal = failure {
                    _ = try EntryLog.open(
                        in: torn, state: small.written[3].position, synced: LogIndex(synced))
                }
                #expect(refusal?.isDamage == true, "length \(length), synced \(synced)")
            }
            // Nothing was changed, and nothing was copied.
            #expect(try FileSystem.size(torn.segments()[1]) == UInt64(length))
            #expect(!FileSystem.exists(torn.diverged))
        }
    }

    @Test func `a segment whose header the crash cut short is removed`() throws {
        for length in 0..<small.headerBytes {
            let torn = try small.copy(slot: 1) { $0.removeLast(whole.count - length) }
            let removed = try torn.segments()[1]
            #expect(
                failure {
                    _ = try EntryLog.open(
                        in: torn, state: small.written[3].position, synced: LogIndex(5))
                }?.isDamage == true)
            let (log, recovery) = try EntryLog.open(in: torn, state: small.written[3].position)
            #expect(recovery.removedFiles == [removed])
            #expect(log.last == small.written[3].position)
            try log.append([small.written[4]])
            #expect(try log.readAll(after: .origin) == Array(small.written[..<5]))
        }
    }

    @Test func `a segment before the last is not cut`() throws {
        let first = try FileSystem.readAll(small.directory.segments()[0])
        for length in 0..<first.count {
            let torn = try small.copy(slot: 0) { $0.removeLast(first.count - length) }
            let state = length < small.headerBytes ? small.written[7] : small.written[2]
            let refusal = failure { _ = try EntryLog.open(in: torn, state: state.position) }
            #expect(refusal?.isDamage == true, "length \(length)")
        }
    }
}

@Suite struct DamageTests {
    /// Every flipped byte of the newest segment is cut with all after it, or refused.
    @Test func `no flipped byte of the unsynced tail is taken for a record`() throws {
        let small = try SmallLog()
        let size = Int(try FileSystem.size(small.directory.segments()[1]))
        for offset in 0..<size {
            let damaged = try small.copy(slot: 1) { $0[offset] ^= 0x10 }
            #expect(!LogVerifier.verify(directory: damaged.log).isSound, "byte \(offset)")
            let good = small.ends.lastIndex { $0 <= offset }
            do {
                let (log, recovery) = try EntryLog.open(
                    in: damaged, state: small.written[3].position)
                let kept = Array(small.written[..<(4 + (good ?? 0))])
                #expect(good != nil && recovery.cut != nil, "byte \(offset)")
                #expect(try log.readAll(after: .origin) == kept, "byte \(offset)")
            } catch let error as LogError {
                #expect(good == nil && error.isDamage, "byte \(offset)")
            }
        }
    }

    @Test func `a flipped byte in what was synced is refused with its place`() throws {
        let small = try SmallLog()
        for slot in 0...1 {
            let size = Int(try FileSystem.size(small.directory.segments()[slot]))
            for offset in 0..<size {
                let damaged = try small.copy(slot: slot) { $0[offset] ^= 0x01 }
                let path = try damaged.segments()[slot]
                let refusal = failure {
                    _ = try EntryLog.open(
                        in: damaged, state: small.written[0].position, synced: LogIndex(8))
                }
                guard case .damaged(let damage) = refusal else {
                    Issue.record(
                        "byte \(offset) of segment \(slot): \(String(describing: refusal))")
                    continue
                }
                #expect(damage.file == path && damage.offset <= UInt64(offset))
                #expect(!damage.what.isEmpty && !damage.advice.isEmpty)
                let report = LogVerifier.verify(directory: damaged.log)
                #expect(report.findings.contains { $0.file == path && $0.offset <= UInt64(offset) })
            }
        }
    }

    @Test func `damage in an old segment is found by who reads it`() throws {
        let small = try SmallLog()
        let damaged = try small.copy(slot: 0) { $0[100] ^= 1 }
        let log = try EntryLog.open(in: damaged, state: small.written[7].position).log
        #expect(failure { _ = try log.position(at: LogIndex(2)) }?.isDamage == true)
        #expect(failure { try log.check(small.written[1].position) }?.isDamage == true)
        try log.check(small.written[3].position)
    }

    @Test func `a missing segment is refused`() throws {
        let small = try SmallLog()
        let log = try EntryLog.open(
            in: small.directory, state: small.written[7].position, segmentBytesMax: 350
        ).log
        try log.append(records(after: log.last, payloadBytes: [200]))
        #expect(log.segmentCount == 3)
        try FileSystem.remove(small.directory.segments()[1])
        #expect(
            failure { _ = try EntryLog.open(in: small.directory, state: log.last) }?.isDamage
                == true)
        #expect(!LogVerifier.verify(directory: small.directory.log).isSound)
        #expect(
            failure { _ = try EntryLog.open(in: TestDirectory(), state: .origin) } != nil)
    }

    @Test func `a state of another history is refused`() throws {
        let small = try SmallLog()
        for index in 1...8 {
            let other = Position(index: LogIndex(UInt64(index)), hash: Hash128(high: 1, low: 1))
            #expect(
                failure { _ = try EntryLog.open(in: small.directory, state: other) }?.isDamage
                    == true, "\(index)")
        }
    }

    @Test func `a state before the log's first entry is refused`() throws {
        let directory = try TestDirectory()
        _ = try EntryLog.create(in: directory, after: records(count: 5)[4].position)
        #expect(
            failure { _ = try EntryLog.open(in: directory, state: records(count: 4)[3].position) }?
                .isDamage == true)
    }

    @Test func `an entry of a kind that is not known is refused, not cut`() throws {
        let directory = try TestDirectory()
        do {
            let log = try EntryLog.create(in: directory)
            try log.append(records(count: 2))
        }
        let path = try directory.segments()[0]
        var bytes = try FileSystem.readAll(path)
        // The last record again with kind 0x7F and the right hash.
        let start = bytes.count - 64
        bytes[start + 18] = 0x7F
        let before = records(count: 1)[0].position.hash
        let hash = Hash128(
            chaining: before, bytes, start..<start + 28, start + 44..<bytes.count)
        var writer = ByteWriter()
        writer.hash128(hash)
        bytes.replaceSubrange(start + 28..<start + 44, with: writer.bytes)
        try FileSystem.replace(path, with: bytes)
        let refusal = failure { _ = try EntryLog.open(in: directory, state: .origin) }
        guard case .damaged(let damage) = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        #expect(damage.offset == UInt64(start))
        #expect(damage.advice == LogDamage.upgradeAdvice)
    }

    @Test func `random bytes for a segment never crash a start`() throws {
        var random = SplitMix64(seed: 11)
        let small = try SmallLog()
        for _ in 0..<300 {
            let damaged = try small.copy(slot: Int.random(in: 0...1, using: &random)) { bytes in
                let keep = Int.random(in: 0...bytes.count, using: &random)
                bytes.removeLast(bytes.count - keep)
                for _ in 0..<Int.random(in: 0...200, using: &random) {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            let state = small.written[Int.random(in: 0...7, using: &random)].position
            _ = LogVerifier.verify(directory: damaged.log)
            do {
                let log = try EntryLog.open(in: damaged, state: state).log
                let found = try log.readAll(
                    after: log.position(at: LogIndex(log.first.rawValue - 1)))
                #expect(found.allSatisfy { small.written.contains($0) })
            } catch { #expect((error as? LogError)?.isDamage == true) }
        }
    }
}

@Suite struct StateAheadTests {
    @Test func `the log begins anew behind a state that is ahead of it`() throws {
        let small = try SmallLog()
        let ahead = records(after: small.written[7].position, count: 5)
        let state = ahead[4].position
        do {
            let (log, recovery) = try EntryLog.open(
                in: small.directory, state: state, synced: LogIndex(8))
            #expect(recovery.renewal?.from == small.written[7].position)
            #expect(recovery.renewal?.state == state)
            #expect(recovery.removedFiles.count == 2)
            #expect(log.first == LogIndex(14) && log.last == state)
            #expect(try small.directory.segments().count == 1)
            #expect(
                failure { try log.check(small.written[7].position) }
                    == .notRetained(first: LogIndex(14)))
            try log.check(state)
            try log.append(records(after: state, count: 2))
        }
        let (log, recovery) = try EntryLog.open(in: small.directory, state: state)
        #expect(recovery.renewal == nil)
        #expect(log.first == LogIndex(14) && log.last.index == LogIndex(15))
    }

    @Test func `old segments that outlived the new beginning are removed`() throws {
        let small = try SmallLog()
        let copy = try TestDirectory()
        try small.directory.copyLog(to: copy)
        let state = records(after: small.written[7].position, count: 5)[4].position
        _ = try EntryLog.open(in: small.directory, state: state)
        // As after a crash between the new segment and the removal.
        let new = try small.directory.segments()[0]
        try FileSystem.replace(
            "\(copy.log)/\(new.split(separator: "/").last ?? "")", with: FileSystem.readAll(new))
        #expect(LogVerifier.verify(directory: copy.log).isSound)
        let (log, recovery) = try EntryLog.open(in: copy, state: state)
        #expect(recovery.removedFiles.count == 2 && recovery.renewal == nil)
        #expect(log.first == LogIndex(14) && log.last == state)
    }

    @Test func `entries known to be on disk that neither state nor log has are missed`() throws {
        let small = try SmallLog()
        let state = records(after: small.written[7].position, count: 2)[1].position
        #expect(
            failure {
                _ = try EntryLog.open(in: small.directory, state: state, synced: LogIndex(11))
            }?
            .isDamage == true)
        #expect(
            failure {
                _ = try EntryLog.open(
                    in: small.directory, state: small.written[7].position, synced: LogIndex(9))
            }?.isDamage == true)
        _ = try EntryLog.open(in: small.directory, state: state, synced: LogIndex(10))
    }

    @Test func `a torn tail below the state is kept aside before the log begins anew`() throws {
        let small = try SmallLog()
        let torn = try small.copy(slot: 1) { $0.removeLast(10) }
        let (log, recovery) = try EntryLog.open(in: torn, state: small.written[7].position)
        #expect(recovery.cut?.after == small.written[6].position)
        #expect(recovery.renewal?.from == small.written[6].position)
        #expect(log.first == LogIndex(9))
    }

    @Test func `a log whose newest segment is empty knows its last time and reign`() throws {
        let directory = try TestDirectory()
        let written = records(count: 3)
        do {
            let log = try EntryLog.create(in: directory, segmentBytesMax: 100)
            try log.append(written)
            try log.append(records(after: log.last, count: 1))
        }
        let path = try directory.segments()[1]
        try File(path, .append).truncate(to: 76)
        let log = try EntryLog.open(in: directory, state: written[2].position).log
        #expect(log.last == written[2].position)
        #expect(log.lastReign == reign && log.lastTime == written[2].time)
    }
}
