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
/// | `a` | number u64 BE | a record of the audit |
/// | `r` | sort u8, then as below | what is kept of answers to requests that may be sent again |
/// | `n` | namespace u32 BE | the namespace's counters |
/// | `d` | namespace u32 BE, epoch u32 BE, key | a stored value |
/// | `x` | expiry u64 BE, namespace u32 BE, epoch u32 BE, key | nothing: the value with that key has that expiry |
public enum KeyPrefix {
    public static let header: UInt8 = 0x01
    public static let catalog = UInt8(ascii: "c")
    public static let answers = UInt8(ascii: "r")
    public static let counters = UInt8(ascii: "n")
    public static let audit = UInt8(ascii: "a")
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

    /// What is kept under ``KeyPrefix/answers``. On disk and in the log: never renumber.
    enum AnswerSort: UInt8 {
        /// Nothing more: the ``AnswerLedger``.
        case ledger = 0
        /// The hash of a ``RequestKey``: its ``KeptAnswer``.
        case answer = 1
        /// A slot u64 BE: the ``AnswerSlot``.
        case slot = 2
        /// The hash of a ``RequestKey``: the chain hash of the entry that carried the request out. Not
        /// in that entry, which cannot hold its own hash, but written by whoever applies it.
        case chainHash = 3
    }

    static let answerLedger: [UInt8] = [KeyPrefix.answers, AnswerSort.ledger.rawValue]

    static func answer(_ hash: [UInt8]) -> [UInt8] {
        [KeyPrefix.answers, AnswerSort.answer.rawValue] + hash
    }

    static func answerChainHash(_ hash: [UInt8]) -> [UInt8] {
        [KeyPrefix.answers, AnswerSort.chainHash.rawValue] + hash
    }

    static func answerSlot(_ slot: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 10)
        writer.append([KeyPrefix.answers, AnswerSort.slot.rawValue])
        writer.big(slot)
        return writer.bytes
    }

    /// The request's hash in the key of its answer; nil for other keys.
    static func requestHash(ofAnswer key: [UInt8]) -> [UInt8]? {
        guard key.count == 2 + RequestKey.bytesCount, key[0] == KeyPrefix.answers,
            key[1] == AnswerSort.answer.rawValue
        else { return nil }
        return Array(key[2...])
    }

    static func audit(_ number: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 9)
        writer.bytes.append(KeyPrefix.audit)
        writer.big(number)
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
