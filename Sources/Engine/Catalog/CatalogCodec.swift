import Log
import Platform
import Topology

/// Numbers as catalog keys and values hold them.
enum CatalogCodec {
    static func word(_ value: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.little(value)
        return writer.bytes
    }

    static func word(_ bytes: [UInt8]) -> UInt64? {
        var reader = ByteReader(bytes)
        guard let value: UInt64 = reader.little(), reader.isAtEnd else { return nil }
        return value
    }
}

extension NamespaceID {
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 4)
        writer.big(rawValue)
        return writer.bytes
    }

    init?(encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let value: UInt32 = reader.big(), reader.isAtEnd else { return nil }
        self.init(rawValue: value)
    }
}

extension Generation {
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.big(rawValue)
        return writer.bytes
    }

    init?(encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let value: UInt64 = reader.big(), reader.isAtEnd else { return nil }
        self.init(rawValue: value)
    }
}

extension Reign {
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 6)
        writer.big(term)
        writer.big(holder.rawValue)
        return writer.bytes
    }
}

extension Catalog.ReignStart {
    var encodedReign: [UInt8] { reign.encoded }

    var encodedIndex: [UInt8] { CatalogCodec.word(firstIndex.rawValue) }

    init?(encoded: [UInt8], index: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let term: UInt32 = reader.big(), let holder: UInt16 = reader.big(), reader.isAtEnd,
            let first = CatalogCodec.word(index)
        else { return nil }
        self.init(
            reign: Reign(term: term, holder: NodeNumber(rawValue: holder)),
            firstIndex: LogIndex(first))
    }
}

extension Lineage {
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.hash128(id)
        return writer.bytes
    }

    init?(encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard let id = reader.hash128(), reader.isAtEnd else { return nil }
        self.init(id: id)
    }
}
