import CRocksDB

/// A call of RocksDB failed. The message is RocksDB's own; it names files, never keys or values.
public struct RocksDBError: Error, Equatable, Sendable, CustomStringConvertible {
    public let function: String
    public let message: String

    public var description: String { "\(function): \(message)" }
}

/// Runs one RocksDB call and turns its `char **errptr` into a thrown error.
func rocks<Result>(
    _ function: StaticString,
    _ call: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(RocksDBError) -> Result {
    var message: UnsafeMutablePointer<CChar>?
    let result = call(&message)
    guard let message else { return result }
    defer { rocksdb_free(message) }

    throw RocksDBError(function: "\(function)", message: String(cString: message))
}

extension Array where Element == UInt8 {
    /// Calls `body` with the bytes as the C library's `char`s.
    func withChars<Result>(_ body: (UnsafePointer<CChar>?, Int) -> Result) -> Result {
        withUnsafeBytes { body($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count) }
    }
}
