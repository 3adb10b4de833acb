import Testing

@testable import Platform

@Suite struct ProcessMemoryTests {
    @Test func `what was freed between things that stay is given back`() throws {
        var kept: [[UInt8]] = []
        do {
            var all: [[UInt8]] = []
            for number in 0..<4_000 {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 60_000)
                // What stays keeps the C library from giving back the end of its memory by itself.
                if number.isMultiple(of: 100) { kept.append(bytes) } else { all.append(bytes) }
            }
            #expect(all.count == 3_960)
        }
        let before = try #require(ProcessUsage.residentBytesNow)
        ProcessMemory.giveBack(idleBytesMax: .max)
        ProcessMemory.giveBack(idleBytesMax: 0)
        let after = try #require(ProcessUsage.residentBytesNow)
        #expect(before > after + 50_000_000, "\(before) before, \(after) after")
        #expect(kept.count == 40)
    }
}
