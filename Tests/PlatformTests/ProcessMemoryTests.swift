import Testing

@testable import Platform

@Suite struct ProcessMemoryTests {
    /// In a process of its own: in this one the memory of other tests comes and goes, and their
    /// nodes give back what is free.
    @Test func `what was freed between things that stay is given back`() async {
        await #expect(processExitsWith: .success) {
            var kept: [[UInt8]] = []
            do {
                var all: [[UInt8]] = []
                for number in 0..<4_000 {
                    let byte = UInt8(truncatingIfNeeded: number)
                    let bytes = [UInt8](repeating: byte, count: 60_000)
                    // What stays keeps the C library from giving back the end by itself.
                    if number.isMultiple(of: 100) { kept.append(bytes) } else { all.append(bytes) }
                }
                #expect(all.count == 3_960)
            }
            let before = try #require(ProcessUsage.residentBytesNow)
            ProcessMemory.giveBack(idleBytesMax: .max)
            ProcessMemory.giveBack(idleBytesMax: 0)
            let after = try #require(ProcessUsage.residentBytesNow)
            try #require(before > after + 50_000_000, "\(before) before, \(after) after")
            #expect(kept.count == 40)
        }
    }
}
