import Testing

@testable import Engine

@Suite struct SortedTableTests {
    @Test(arguments: UInt64(0)..<20)
    func `a table does what a dictionary does, and every version stays as it was`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        var table = SortedTable<UInt32, UInt64>()
        var model: [UInt32: UInt64] = [:]
        var versions: [(SortedTable<UInt32, UInt64>, [UInt32: UInt64])] = []
        for step in 0..<4_000 {
            let key = UInt32.random(in: 0..<1_500, using: &random)
            // First it grows, then it shrinks.
            if Int.random(in: 0..<4_000, using: &random) > step {
                let value = random.next()
                table[key] = value
                model[key] = value
            } else {
                table[key] = nil
                model[key] = nil
            }
            if step.isMultiple(of: 400) { versions.append((table, model)) }
        }
        versions.append((table, model))
        for (table, model) in versions {
            #expect(table.count == model.count)
            let sorted = model.sorted { $0.key < $1.key }
            #expect(Array(table.keys) == sorted.map(\.key))
            #expect(Array(table.values) == sorted.map(\.value))
            for key in UInt32(0)..<1_500 { #expect(table[key] == model[key]) }
            let start = UInt32.random(in: 0..<1_500, using: &random)
            #expect(
                table.entries(from: start, including: true).map { $0.key }
                    == sorted.map(\.key).filter { $0 >= start })
            #expect(
                table.entries(from: start, including: false).map { $0.key }
                    == sorted.map(\.key).filter { $0 > start })
            #expect(
                table.entriesBackwards(before: start).map { $0.key }
                    == sorted.map(\.key).filter { $0 < start }.reversed())
            #expect(
                table.entriesBackwards(before: nil).map { $0.key } == sorted.map(\.key).reversed())
            let end = UInt32.random(in: 0..<1_500, using: &random)
            let between = sorted.count { $0.key >= start && $0.key < end }
            let estimate = table.estimate(from: start, to: end)
            #expect(estimate >= between && estimate <= between + 2 * 128)
        }
    }

    @Test func `an empty table has nothing`() {
        var table = SortedTable<String, Int>()
        table["a"] = nil
        #expect(table["a"] == nil)
        #expect(table.isEmpty)
        table["a"] = 1
        table["a"] = nil
        #expect(table.isEmpty)
        #expect(Array(table.keys) == [])
        #expect(table.entries(from: "a", including: true).map { $0.key } == [])
    }
}
