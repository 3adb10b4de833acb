import Log
import Platform
import Topology

/// What a catalog record is about. On disk and in the log: never renumber.
enum CatalogKind: UInt8, CaseIterable {
    /// By id u32 BE.
    case namespace = 1
    /// By lookup id.
    case token = 2
    /// The current document; no id.
    case topology = 3
    /// Every document, by generation u64 BE.
    case topologyHistory = 4
    /// The first entry of each reign, by term u32 BE and holder u16 BE.
    case reign = 5
    /// Numbers that are never used twice, by ``CatalogSequence``.
    case sequence = 6
    /// By id.
    case operation = 7
    /// The lineage; no id. Written by the birth, and by the fork of a node promoted alone.
    case lineage = 8
    /// Through which generation changes of the topology are known to as many as must know them; no id.
    case heardGeneration = 9
    /// Where the audit stands; no id.
    case auditHead = 16
}

/// Numbers that are never used twice. On disk: never renumber.
enum CatalogSequence: UInt8 {
    case namespaceID = 1
    case nodeNumber = 2
}

/// A catalog record that an entry holds cannot be what we wrote.
public struct CatalogFault: Error, Equatable, Sendable, CustomStringConvertible {
    public let key: [UInt8]
    public var description: String {
        "catalog record \(key.map { String($0, radix: 16) }.joined(separator: " ")) is damaged or from a newer version"
    }
}
