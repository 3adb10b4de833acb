import Log
import Platform
import Testing

@Suite struct RecordStreamTests {
    private static let heartbeat = HeartbeatPayload(
        lineage: testLineage,
        originPosition: Position(index: LogIndex(99), hash: Hash128(high: 3, low: 4)),
        originTime: UnixMilliseconds(rawValue: 1_234_567), reign: reign, generation: 17,
        catalogIndex: LogIndex(55), catalogDigest: Hash128(high: 7, low: 8), ageMilliseconds: 250)

    /// Frames of every kind, and their bytes.
    private static func transcript() -> (frames: [WireFrame], bytes: [UInt8]) {
        let written = records(payloadBytes: [5, 0, 40, 9])
        let frames: [WireFrame] = [
            .heartbeat(heartbeat), .record(written[0]), .record(written[1]), .ackWanted,
            .heartbeat(heartbeat), .record(written[2]), .record(written[3]), .ackWanted,
        ]
        var position = Position.origin
        var bytes: [UInt8] = []
        for frame in frames {
            bytes += frame.encode(after: position)
            if case .record(let record) = frame { position = record.position }
        }
        return (frames, bytes)
    }

    private func drain(_ stream: inout RecordStream) throws -> [WireFrame] {
        var frames: [WireFrame] = []
        while let frame = try stream.next() { frames.append(frame) }
        return frames
    }

    @Test func `frames come out whole however the bytes are split`() throws {
        let (frames, bytes) = Self.transcript()
        for split in 0...bytes.count {
            var stream = RecordStream(after: .origin)
            stream.push(Array(bytes[..<split]))
            var found = try drain(&stream)
            stream.push(Array(bytes[split...]))
            found += try drain(&stream)
            #expect(found == frames, "split at \(split)")
            #expect(stream.waitingBytes == 0)
        }
        for size in 1...64 {
            var stream = RecordStream(after: .origin)
            var found: [WireFrame] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                stream.push(Array(bytes[start..<min(bytes.count, start + size)]))
                found += try drain(&stream)
            }
            #expect(found == frames, "pieces of \(size)")
            #expect(stream.position == records(payloadBytes: [5, 0, 40, 9])[3].position)
        }
    }

    @Test func `every flipped byte of a stream is a fault, or waited for`() throws {
        let (frames, bytes) = Self.transcript()
        for offset in 0..<bytes.count {
            var damaged = bytes
            damaged[offset] ^= 0x20
            var stream = RecordStream(after: .origin)
            stream.push(damaged)
            var found: [WireFrame] = []
            var fault: RecordFault?
            do throws(RecordFault) {
                while let frame = try stream.next() { found.append(frame) }
            } catch { fault = error }
            #expect(found.count < frames.count && found == Array(frames.prefix(found.count)))
            // A length that grew makes a frame that is not whole yet.
            #expect(fault != nil || stream.waitingBytes > 0, "byte \(offset)")
        }
    }

    @Test func `runs of records come with their bytes and stop at other frames`() throws {
        let (_, bytes) = Self.transcript()
        let written = records(payloadBytes: [5, 0, 40, 9])
        var stream = RecordStream(after: .origin)
        stream.push(bytes)
        #expect(try stream.nextRun(bytesMax: 1_000) == nil)
        #expect(try stream.next() == .heartbeat(Self.heartbeat))
        let run = try #require(try stream.nextRun(bytesMax: 1_000))
        #expect(run.records == Array(written[..<2]))
        #expect(run.encoded == written[0].encode() + written[1].encode())
        #expect(try stream.next() == .ackWanted)
        #expect(try stream.next() == .heartbeat(Self.heartbeat))
        #expect(try stream.nextRun(bytesMax: 1)?.records == [written[2]])
        #expect(try stream.nextRun(bytesMax: 1_000)?.records == [written[3]])
    }

    @Test func `good records come before the fault`() throws {
        let written = records(count: 3)
        var bytes = written.flatMap { $0.encode() }
        bytes[bytes.count - 1] ^= 1
        var stream = RecordStream(after: .origin)
        stream.push(bytes)
        #expect(try stream.nextRun(bytesMax: 10_000)?.records.count == 2)
        for _ in 0..<2 {
            #expect(throws: RecordFault.wrongHash(index: LogIndex(3))) {
                try stream.nextRun(bytesMax: 10_000)
            }
        }
    }

    @Test func `a time or reign that goes back is refused`() throws {
        let first = records(count: 1)
        let lower = Reign(term: 2, holder: NodeNumber(rawValue: 1))
        let second = records(after: first[0].position, payloadBytes: [1], reign: lower)
        var stream = RecordStream(after: .origin)
        stream.push(first[0].encode() + second[0].encode())
        _ = try stream.next()
        #expect(throws: RecordFault.goesBack(index: LogIndex(2))) { try stream.next() }

        var known = RecordStream(
            after: first[0].position, lastTime: first[0].time, lastReign: first[0].reign)
        known.push(second[0].encode())
        #expect(throws: RecordFault.goesBack(index: LogIndex(2))) { try known.next() }
    }

    @Test func `a frame of another place in the stream is refused`() throws {
        let written = records(count: 2)
        var stream = RecordStream(after: written[0].position)
        stream.push(WireFrame.ackWanted.encode(after: written[1].position))
        #expect(throws: RecordFault.self) { try stream.next() }
    }

    @Test(arguments: UInt64(0)..<20)
    func `random bytes never crash`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            var bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            if Bool.random(using: &random) {
                // A length that may be right, and the right index, so that more is parsed.
                bytes.replaceSubrange(
                    0..<12,
                    with: [
                        UInt8.random(in: 0...200, using: &random), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                    ])
            }
            var stream = RecordStream(after: .origin)
            stream.push(bytes)
            #expect((try? stream.next()) == nil)
        }
    }
}
