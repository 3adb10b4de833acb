public import Log
public import Platform

/// A node as the cluster knows it.
public struct NodeRecord: Equatable, Sendable {
    public let number: NodeNumber
    public let name: NodeName
    public var address: NodeAddress

    public init(number: NodeNumber, name: NodeName, address: NodeAddress) {
        self.number = number
        self.name = name
        self.address = address
    }
}

/// Which node follows which.
public struct ReplicaSpec: Equatable, Sendable {
    public let node: NodeNumber
    public var upstream: NodeNumber

    public init(node: NodeNumber, upstream: NodeNumber) {
        self.node = node
        self.upstream = upstream
    }
}

/// What the document wants of a node.
public enum ConfiguredRole: Equatable, Sendable {
    case primary
    case replica(upstream: NodeNumber)
}

/// Who makes a change, when, and why.
public struct ChangeNote: Equatable, Sendable {
    public var at: UnixMilliseconds
    public var by: String
    public var reason: String?

    public init(at: UnixMilliseconds, by: String, reason: String? = nil) {
        self.at = at
        self.by = by
        self.reason = reason
    }
}

/// What the cluster shall look like. An entry of the log, so every replica has it in order with
/// the data.
///
/// Invariants
///  1. `nodes` ascend by number, from 1; names and addresses are unlike; at most ``nodesMax``.
///  2. `replicas` ascend by node; each is in `nodes`, none is the primary.
///  3. Each replica's upstreams lead to the primary.
///  4. `minInSyncReplicas` is between 0 and the number of replicas.
///  5. The primary is in `nodes`, and holds the reign.
///
/// A node without a role is known, keeps its number, and follows nobody: it is detached.
public struct TopologyDocument: Equatable, Sendable {
    public let generation: Generation
    public let reign: Reign
    public let primary: NodeNumber
    public let replicas: [ReplicaSpec]
    public let minInSyncReplicas: Int
    public let nodes: [NodeRecord]
    public let changedAt: UnixMilliseconds
    public let changedBy: String
    public let reason: String?

    public static let nodesMax = 128
    /// Of `reason`, in UTF-8.
    public static let reasonBytesMax = 1_024

    /// The document, whose primary is the holder of `reign`; nil when an invariant would be broken.
    public init?(
        generation: Generation, reign: Reign, replicas: [ReplicaSpec], minInSyncReplicas: Int,
        nodes: [NodeRecord], note: ChangeNote
    ) {
        self.init(
            unchecked: generation, reign: reign, replicas: replicas,
            minInSyncReplicas: minInSyncReplicas, nodes: nodes, note: note)
        guard isSound else { return nil }
    }

    /// The first document of a lineage: one node, alone, in its first reign or that of a fork.
    public static func founding(
        _ node: NodeRecord, term: UInt32 = 1, generation: Generation = .first, note: ChangeNote
    ) -> TopologyDocument {
        let document = TopologyDocument(
            unchecked: generation, reign: Reign(term: term, holder: node.number), replicas: [],
            minInSyncReplicas: 0, nodes: [node], note: note)
        invariant(document.isSound, "founding document with \(node)")
        return document
    }

    /// For those who check ``isSound``, or know it.
    init(
        unchecked generation: Generation, reign: Reign, replicas: [ReplicaSpec],
        minInSyncReplicas: Int, nodes: [NodeRecord], note: ChangeNote
    ) {
        self.generation = generation
        self.reign = reign
        self.primary = reign.holder
        self.replicas = replicas.sorted { $0.node < $1.node }
        self.minInSyncReplicas = minInSyncReplicas
        self.nodes = nodes.sorted { $0.number < $1.number }
        self.changedAt = note.at
        self.changedBy = note.by
        self.reason = note.reason
    }

    /// Whether the invariants hold: those of the numbers here, the others as every request is
    /// checked.
    var isSound: Bool {
        guard (Generation.first...Generation.last).contains(generation),
            nodes.first.map({ $0.number.rawValue > 0 }) ?? false,
            zip(nodes, nodes.dropFirst()).allSatisfy({ $0.number < $1.number })
        else { return false }
        return DocumentRules.faults(in: TopologyRequest(self)).isEmpty
    }

    /// Its place in the order in which documents win.
    public var version: TopologyVersion { TopologyVersion(reign: reign, generation: generation) }

    /// Whether both want the same of the cluster: generation, reign's term, who changed it when
    /// and why are left out.
    public func hasSameContent(as other: TopologyDocument) -> Bool {
        primary == other.primary && replicas == other.replicas
            && minInSyncReplicas == other.minInSyncReplicas && nodes == other.nodes
    }

    /// A hash that is unlike for any two documents of any two clusters; the strong ETag.
    public func fingerprint(in lineage: Lineage) -> Hash128 {
        var writer = ByteWriter()
        writer.hash128(lineage.id)
        writer.append(encoded())
        return Hash128(of: writer.bytes)
    }

    /// The lowest number never used, given the one known so far.
    public func nextNumber(after known: NodeNumber) -> NodeNumber {
        let highest = nodes.last?.number.rawValue ?? 0
        // It stays at the last one, which is never given: adding a node then is a fault.
        return max(known, NodeNumber(rawValue: highest == .max ? .max : highest + 1))
    }
}
