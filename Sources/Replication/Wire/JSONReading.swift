import JSON
import Log
import Platform
import Topology

/// How the values of this module stand in JSON: one spelling each, read back strictly.
extension JSONValue {
    static func hash(_ hash: Hash128) -> JSONValue { .string(hash.hex) }

    static func index(_ index: LogIndex) -> JSONValue { JSONValue(index.rawValue) }

    static func position(_ position: Position) -> JSONValue {
        .object(["index": .index(position.index), "hash": .hash(position.hash)])
    }

    /// An unsigned number, as its type bounds it.
    func unsigned<Word: FixedWidthInteger & UnsignedInteger>(
        _ name: String, _: Word.Type = Word.self
    ) -> Word? {
        self[name]?.integerValue.flatMap { Word(exactly: $0) }
    }

    func text(_ name: String) -> String? { self[name]?.stringValue }

    func index(_ name: String) -> LogIndex? { unsigned(name, UInt64.self).map { LogIndex($0) } }

    func hash(_ name: String) -> Hash128? { text(name).flatMap { Hash128(hex: $0) } }

    func node(_ name: String) -> NodeNumber? {
        unsigned(name, UInt16.self).map { NodeNumber(rawValue: $0) }
    }

    func generation(_ name: String) -> Generation? {
        unsigned(name, UInt64.self).map { Generation($0) }
    }

    func reign(_ name: String) -> Reign? { text(name).flatMap { Reign(text: $0) } }

    func lineage(_ name: String) -> Lineage? { text(name).flatMap { Lineage(hex: $0) } }

    func position(_ name: String) -> Position? {
        guard let value = self[name], let index = value.index("index"),
            let hash = value.hash("hash")
        else { return nil }
        return Position(index: index, hash: hash)
    }
}

extension Reign {
    /// Reads what ``description`` writes, as in `3.1`; nil for anything else.
    init?(text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let term = UInt32(decimal: parts[0]),
            let holder = UInt16(decimal: parts[1])
        else { return nil }
        self.init(term: term, holder: NodeNumber(rawValue: holder))
    }
}

extension FixedWidthInteger {
    /// Digits alone: no sign, no space.
    init?(decimal text: some StringProtocol) {
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        self.init(text)
    }
}
