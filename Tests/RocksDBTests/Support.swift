import Foundation

/// A directory of a test's own, removed with the last reference.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "\(NSTemporaryDirectory())/convoy-rocksdb-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }  // Nothing depends on it.
}

/// RocksDB's batch format, written a second time: the tests must not trust the engine's.
enum TestBatch {
    static func encode(_ puts: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 8)
        withUnsafeBytes(of: UInt32(puts.count).littleEndian) { bytes.append(contentsOf: $0) }
        for (key, value) in puts { bytes += [1] + counted(key) + counted(value) }
        return bytes
    }

    static func deleteRange(from start: [UInt8], to end: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0x0F] + counted(start) + counted(end)
    }

    private static func counted(_ bytes: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = bytes.count
        while rest >= 0x80 {
            length.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }
}
