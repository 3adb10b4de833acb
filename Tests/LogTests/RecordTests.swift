import Log
import Platform
import Testing

@Suite struct RecordTests {
    @Test(arguments: [0, 1, 100, 70_000])
    func `a record reads back as it was written`(payloadBytes: Int) throws {
        let before = Position(index: LogIndex(41), hash: Hash128(high: 5, low: 6))
        let record = try #require(records(after: before, payloadBytes: [payloadBytes]).first)
        let bytes = record.encode()
        #expect(bytes.count == record.encodedBytes)
        #expect(try Record.decode([9, 9] + bytes, at: 2, after: before) == record)
    }

    @Test func `the layout is the documented one`() {
        let record = Record(
            after: .origin, reign: Reign(term: 0x0102_0304, holder: NodeNumber(rawValue: 0x0506)),
            kind: .catalog, version: 9, time: UnixMilliseconds(rawValue: 0x1122_3344_5566_7788),
            payload: [0xAA, 0xBB])
        let head: [UInt8] = [
            42, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 6, 5, 3, 9,
            0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
        ]
        let hash = Hash128(of: Array(repeating: 0, count: 16) + head + [0xAA, 0xBB])
        #expect(Array(record.encode().prefix(28)) == head)
        #expect(record.position == Position(index: LogIndex(1), hash: hash))
    }

    @Test func `the chain hash depends on everything before`() {
        let one = records(payloadBytes: [3, 4, 5])
        let other = records(payloadBytes: [2, 4, 5])
        #expect(one[2].payload == other[2].payload)
        #expect(one[2].position != other[2].position)
        #expect(one[2].previousHash == one[1].position.hash)
    }

    @Test func `every flipped bit of a record is seen`() throws {
        let record = try #require(records(payloadBytes: [12]).first)
        let bytes = record.encode()
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: RecordFault.self, "bit \(bit)") {
                try Record.decode(damaged, at: 0, after: .origin)
            }
        }
    }

    @Test func `a record does not follow another history`() throws {
        let record = try #require(records(payloadBytes: [12]).first)
        let elsewhere = Position(index: .zero, hash: Hash128(high: 1, low: 0))
        #expect(throws: RecordFault.wrongHash(index: LogIndex(1))) {
            try Record.decode(record.encode(), at: 0, after: elsewhere)
        }
        let later = Position(index: LogIndex(7), hash: .zero)
        #expect(throws: RecordFault.wrongIndex(expected: LogIndex(8), found: LogIndex(1))) {
            try Record.decode(record.encode(), at: 0, after: later)
        }
    }

    @Test func `a payload beyond the limit stops the process`() async {
        await #expect(processExitsWith: .failure) {
            _ = Record(
                after: .origin, reign: Reign(term: 1, holder: NodeNumber(rawValue: 1)), kind: .data,
                time: UnixMilliseconds(rawValue: 0),
                payload: Array(repeating: 0, count: Record.payloadBytesMax + 1))
        }
    }
}
