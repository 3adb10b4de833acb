import Log
import Platform

/// The document's bytes, in the log and on disk, little-endian:
///
///     version u8 = 1 | generation u64 | term u32 | holder u16 | min in sync u16
///     changed at u64 | changed by text | has reason u8, reason text
///     nodes u16 × (number u16 | name text | address text)
///     replicas u16 × (node u16 | upstream u16)
///
/// A text is its length (LEB128) and UTF-8. One document has one encoding: ascending order, shortest
/// lengths, nothing behind.
extension TopologyDocument {
    private static let encodingVersion: UInt8 = 1

    public func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 + nodes.count * 48)
        writer.little(TopologyDocument.encodingVersion)
        writer.little(generation.rawValue)
        writer.little(reign.term)
        writer.little(reign.holder.rawValue)
        writer.little(UInt16(minInSyncReplicas))
        writer.little(changedAt.rawValue)
        writer.appendCounted(changedBy)
        writer.little(UInt8(reason == nil ? 0 : 1))
        if let reason { writer.appendCounted(reason) }
        writer.little(UInt16(nodes.count))
        for node in nodes {
            writer.little(node.number.rawValue)
            writer.appendCounted(node.name.rawValue)
            writer.appendCounted(node.address.url)
        }
        writer.little(UInt16(replicas.count))
        for replica in replicas {
            writer.little(replica.node.rawValue)
            writer.little(replica.upstream.rawValue)
        }
        return writer.bytes
    }

    /// The document; nil when the bytes are not exactly what ``encoded()`` writes for a document
    /// whose invariants hold.
    public init?(decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.little(UInt8.self) == TopologyDocument.encodingVersion,
            let generation: UInt64 = reader.little(),
            let term: UInt32 = reader.little(),
            let holder: UInt16 = reader.little(),
            let minInSync: UInt16 = reader.little(),
            let changedAt: UInt64 = reader.little(),
            let changedBy = reader.countedText(),
            let hasReason: UInt8 = reader.little()
        else { return nil }
        var note = ChangeNote(at: UnixMilliseconds(rawValue: changedAt), by: changedBy)
        if hasReason != 0 {
            guard let reason = reader.countedText() else { return nil }
            note.reason = reason
        }
        guard let nodes = TopologyDocument.nodes(from: &reader),
            let replicas = TopologyDocument.replicas(from: &reader)
        else { return nil }
        self.init(
            generation: Generation(generation),
            reign: Reign(term: term, holder: NodeNumber(rawValue: holder)), replicas: replicas,
            minInSyncReplicas: Int(minInSync), nodes: nodes, note: note)
        guard encoded() == bytes else { return nil }
    }

    private static func nodes(from reader: inout ByteReader) -> [NodeRecord]? {
        guard let count: UInt16 = reader.little(), count <= nodesMax else { return nil }
        var nodes: [NodeRecord] = []
        for _ in 0..<count {
            guard let number: UInt16 = reader.little(),
                let name = reader.countedText().flatMap(NodeName.init(_:)),
                let address = reader.countedText().flatMap(NodeAddress.init(_:))
            else { return nil }
            nodes.append(
                NodeRecord(number: NodeNumber(rawValue: number), name: name, address: address))
        }
        return nodes
    }

    private static func replicas(from reader: inout ByteReader) -> [ReplicaSpec]? {
        guard let count: UInt16 = reader.little(), count <= nodesMax else { return nil }
        var replicas: [ReplicaSpec] = []
        for _ in 0..<count {
            guard let node: UInt16 = reader.little(), let upstream: UInt16 = reader.little() else {
                return nil
            }
            replicas.append(
                ReplicaSpec(
                    node: NodeNumber(rawValue: node), upstream: NodeNumber(rawValue: upstream)))
        }
        return replicas
    }
}
