import Log

/// One thing that a generation changed. Values are as the document of the API has them: names,
/// addresses, numbers.
public struct TopologyDifference: Equatable, Sendable {
    /// The raw values are words of the HTTP contract.
    public enum What: String, CaseIterable, Sendable {
        case primary
        case term
        case minInSyncReplicas = "min_in_sync_replicas"
        /// Of a node: nil before it came, and after it went.
        case address
        /// Of a node: nil while it follows nobody.
        case upstream
    }

    public enum Value: Equatable, Sendable {
        case text(String)
        case number(UInt64)
    }

    public let what: What
    /// Nil for what is the whole cluster's.
    public let node: String?
    public let before: Value?
    public let after: Value?
}

extension TopologyDocument {
    /// What this generation has otherwise than `old`; nodes by name, in the order of their numbers.
    public func differences(from old: TopologyDocument) -> [TopologyDifference] {
        var found: [TopologyDifference] = []
        func compare(
            _ what: TopologyDifference.What, _ node: String?, _ before: TopologyDifference.Value?,
            _ after: TopologyDifference.Value?
        ) {
            guard before != after else { return }
            found.append(
                TopologyDifference(what: what, node: node, before: before, after: after))
        }
        func upstream(_ name: NodeName, in document: TopologyDocument) -> String? {
            document.node(named: name).flatMap { document.upstream(of: $0.number) }
                .map { document.label(of: $0) }
        }
        compare(.primary, nil, .text(old.label(of: old.primary)), .text(label(of: primary)))
        compare(.term, nil, .number(UInt64(old.reign.term)), .number(UInt64(reign.term)))
        compare(
            .minInSyncReplicas, nil, .number(UInt64(old.minInSyncReplicas)),
            .number(UInt64(minInSyncReplicas)))
        let gone = old.nodes.filter { node(named: $0.name) == nil }
        for name in (gone + nodes).map(\.name) {
            compare(
                .address, name.rawValue,
                old.node(named: name).map { .text($0.address.url) },
                node(named: name).map { .text($0.address.url) })
            compare(
                .upstream, name.rawValue, upstream(name, in: old).map { .text($0) },
                upstream(name, in: self).map { .text($0) })
        }
        return found
    }
}
