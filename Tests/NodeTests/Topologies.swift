import Log
import Platform
import Testing
import Topology

/// n1 as primary of term 1, and n2 … as its replicas.
func topology(
    replicas: Int, minInSyncReplicas: Int = 0, generation: UInt64 = 7
) throws -> TopologyDocument {
    let numbers = (1...UInt16(replicas + 1)).map(NodeNumber.init(rawValue:))
    let records = try numbers.map { number in
        let address = NodeAddress("http://127.0.0.1:\(7070 + number.rawValue)")
        return NodeRecord(
            number: number, name: try #require(NodeName("n\(number)")),
            address: try #require(address))
    }
    let document = TopologyDocument(
        generation: Generation(generation), reign: Reign(term: 1, holder: numbers[0]),
        replicas: numbers.dropFirst().map { ReplicaSpec(node: $0, upstream: numbers[0]) },
        minInSyncReplicas: minInSyncReplicas, nodes: records,
        note: ChangeNote(at: UnixMilliseconds(rawValue: 1_000), by: "tester"))
    return try #require(document)
}
