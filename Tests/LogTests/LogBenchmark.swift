import Foundation
import Log
import Platform
import Testing

/// Prints times; gates nothing. Run with
/// `CONVOY_BENCH=1 swift test -c release --filter LogBenchmark`.
@Suite(
    .serialized, .enabled(if: ProcessInfo.processInfo.environment["CONVOY_BENCH"] != nil))
struct LogBenchmark {
    private func measure(
        _ what: String, bytes: Int, records: Int, _ body: () throws -> Void
    ) rethrows {
        let start = MonotonicTime.now()
        try body()
        let seconds = (MonotonicTime.now() - start).inSeconds
        print(
            "\(what): \(Int(Double(bytes) / seconds / 1e6)) MB/s,",
            "\(Int(Double(records) / seconds)) records/s")
    }

    private func append(
        _ what: String, payloadBytes: Int, count: Int, group: Int = 1, _ policy: SyncPolicy,
        thenRead: Bool = false
    ) throws {
        let directory = try TestDirectory()
        let log = try EntryLog.create(in: directory, policy)
        let payload = (0..<payloadBytes).map { UInt8(truncatingIfNeeded: $0) }
        let bytes = (payloadBytes + Record.headerBytes) * count
        try measure(what, bytes: bytes, records: count) {
            for _ in 0..<count / group {
                var records: [Record] = []
                for _ in 0..<group {
                    records.append(
                        Record(
                            after: records.last?.position ?? log.last, reign: reign, kind: .data,
                            time: UnixMilliseconds(rawValue: 1), payload: payload))
                }
                try log.append(records)
            }
        }
        guard thenRead else { return }
        try read(what, directory, log, bytes: bytes, count: count)
    }

    private func read(
        _ what: String, _ directory: TestDirectory, _ log: EntryLog, bytes: Int, count: Int
    ) throws {
        try measure("  read, 1 MiB chunks", bytes: bytes, records: count) {
            var reader = try log.reader(after: .origin)
            while try reader.next(bytesMax: 1 << 20, through: log.last.index) != nil {}
        }
        try measure("  read and split", bytes: bytes, records: count) {
            var reader = try log.reader(after: .origin)
            var stream = RecordStream(after: .origin)
            while let chunk = try reader.next(bytesMax: 256 << 10, through: log.last.index) {
                stream.push(chunk.bytes)
                while try stream.nextRun(bytesMax: 1 << 20) != nil {}
            }
        }
        try measure("  open, all scanned", bytes: bytes, records: count) {
            _ = try EntryLog.open(in: directory, state: .origin)
        }
    }

    @Test func `appending`() throws {
        try append("1 MiB records", payloadBytes: 1 << 20, count: 1_024, .os, thenRead: true)
        try append(
            "1 MiB records, synced each", payloadBytes: 1 << 20, count: 128, .always)
        try append("128 B records, one an append", payloadBytes: 128, count: 500_000, .os)
        try append(
            "128 B records, 1,000 an append", payloadBytes: 128, count: 1_000_000, group: 1_000,
            .os, thenRead: true)
        try append(
            "128 B records, synced each", payloadBytes: 128, count: 1_000, .always)
    }
}
