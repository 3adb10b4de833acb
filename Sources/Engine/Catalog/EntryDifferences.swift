public import Log
public import Platform
public import Topology

/// What one entry has done to the records that people are told of, in order.
///
/// Every node that applies the entry knows it, exactly and in log order. A full sync brings none: it
/// replaces the state.
public struct EntryDifferences: Sendable {
    public let index: LogIndex
    public let time: UnixMilliseconds
    public var all: [Difference]

    public enum Difference: Sendable {
        case namespace(before: NamespaceRecord?, after: NamespaceRecord?)
        case operation(before: OperationRecord?, after: OperationRecord?)
        case topology(TopologyDocument)
        /// Use has risen above soft quotas, or has fallen back.
        case softQuotas(NamespaceRecord, before: SoftQuotas, after: SoftQuotas, usage: Usage)
    }

    public init(index: LogIndex, time: UnixMilliseconds, all: [Difference] = []) {
        self.index = index
        self.time = time
        self.all = all
    }
}

extension Catalog {
    /// As ``apply(key:value:)``.
    ///
    /// - Returns: What has changed; nil for records of which nobody is told.
    mutating func applyTelling(
        key: [UInt8], value: [UInt8]?
    ) throws(CatalogFault) -> EntryDifferences.Difference? {
        switch key.count >= 2 ? CatalogKind(rawValue: key[1]) : nil {
        case .namespace?:
            let id = NamespaceID(encoded: Array(key[2...]))
            let before = id.flatMap { namespaces[$0]?.record }
            try apply(key: key, value: value)
            return .namespace(before: before, after: id.flatMap { namespaces[$0]?.record })
        case .operation?:
            let id = String(decoding: key[2...], as: UTF8.self)
            let before = operations[id]
            try apply(key: key, value: value)
            return .operation(before: before, after: operations[id])
        case .topology?:
            try apply(key: key, value: value)
            return topology.map { .topology($0) }
        case .token?, .topologyHistory?, .reign?, .sequence?, .lineage?, .heardGeneration?,
            .auditHead?, nil:
            try apply(key: key, value: value)
            return nil
        }
    }
}
