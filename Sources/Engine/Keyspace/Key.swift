import Log
import Platform

/// The id of a namespace. Never used twice: a name that comes back is empty.
public struct NamespaceID: RawRepresentable, Comparable, Hashable, Sendable {
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static func < (a: NamespaceID, b: NamespaceID) -> Bool { a.rawValue < b.rawValue }

    /// Of the namespace that always exists.
    public static let `default` = NamespaceID(rawValue: 1)
}

/// How the one column family is divided. On disk and in the log: never change a prefix.
///
/// | first byte | then | value |
/// | --- | --- | --- |
/// | `0x01` | nothing | the state's header: its position, and what the next entry needs |
/// | `c` | record kind u8, id | a catalog record |
/// | `n` | namespace u32 BE | the namespace's counters |
/// | `d` | namespace u32 BE, epoch u32 BE, key | a stored value |
/// | `x` | expiry u64 BE, namespace u32 BE, epoch u32 BE, key | nothing: the value with that key has that expiry |
public enum KeyPrefix {
    public static let header: UInt8 = 0x01
    public static let catalog = UInt8(ascii: "c")
    public static let counters = UInt8(ascii: "n")
    public static let data = UInt8(ascii: "d")
    public static let expiry = UInt8(ascii: "x")
}

/// Builds the database's keys.
public enum Key {
    /// A user's key: 1 to this many bytes.
    public static let userKeyBytesMax = 65_535
    /// Bytes before the user's key in a data key.
    public static let dataPrefixBytes = 9

    static let header: [UInt8] = [KeyPrefix.header]

    static func data(_ namespace: NamespaceID, epoch: UInt32, _ key: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: dataPrefixBytes + key.count)
        writer.bytes.append(KeyPrefix.data)
        writer.big(namespace.rawValue)
        writer.big(epoch)
        writer.append(key)
        return writer.bytes
    }

    static func counters(_ namespace: NamespaceID) -> [UInt8] {
        var writer = ByteWriter(capacity: 5)
        writer.bytes.append(KeyPrefix.counters)
        writer.big(namespace.rawValue)
        return writer.bytes
    }

    static func catalog(_ kind: CatalogKind, _ id: [UInt8]) -> [UInt8] {
        [KeyPrefix.catalog, kind.rawValue] + id
    }

    /// The first key above all that begin with `prefix`.
    static func end(ofPrefix prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.last {
            if last < 0xFF {
                end[end.count - 1] = last + 1
                return end
            }
            end.removeLast()
        }
        return [0xFF, 0xFF]
    }
}
