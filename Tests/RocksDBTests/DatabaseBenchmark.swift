import Foundation
import RocksDB
import Testing

/// Prints what RocksDB alone does on this machine: the yardstick for the engine's figures.
@Suite(
    .serialized, .enabled(if: ProcessInfo.processInfo.environment["CONVOY_BENCH"] != nil))
struct DatabaseBenchmark {
    private static func key(_ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        Array("d00000000key:\(UInt64.random(in: 0..<1_000_000, using: &random))".utf8)
    }

    @Test(arguments: [1, 32])
    func `writes and reads of random keys`(batch: Int) throws {
        let directory = try TestDirectory()
        var options = DatabaseOptions()
        options.mustExist = false
        let database = try Database(path: directory.path + "/db", options: options)
        let value = [UInt8](repeating: 0x61, count: 141)
        let total = 600_000
        var random = SystemRandomNumberGenerator()
        let clock = ContinuousClock()
        var spent = Duration.zero
        for _ in 0..<total / batch {
            let bytes = TestBatch.encode((0..<batch).map { _ in (Self.key(&random), value) })
            let start = clock.now
            try database.write(batch: bytes)
            spent += clock.now - start
        }
        print(
            "batch of \(batch): \(Int(Double(total / batch * batch) / (spent / .seconds(1)))) writes/s"
        )
        spent = .zero
        for _ in 0..<total / 2 {
            let key = Self.key(&random)
            let start = clock.now
            _ = try database.getPrefix(key, prefixBytes: 21)
            spent += clock.now - start
        }
        print("  then: \(Int(Double(total / 2) / (spent / .seconds(1)))) reads/s")
    }
}
