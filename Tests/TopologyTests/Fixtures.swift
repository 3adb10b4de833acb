import Log
import Platform
import Testing
import Topology

let note = ChangeNote(at: UnixMilliseconds(rawValue: 1_000), by: "tester", reason: "because")

func number(_ value: UInt16) -> NodeNumber { NodeNumber(rawValue: value) }

func record(_ value: UInt16) throws -> NodeRecord {
    NodeRecord(
        number: number(value), name: try #require(NodeName("n\(value)")),
        address: try #require(NodeAddress("http://10.0.0.\(value):7070")))
}

/// n1 is primary of term 3 in generation 12; `upstreams` says whom the others follow; nodes that
/// are only in `others` have no role.
func document(
    _ upstreams: [UInt16: UInt16], others: [UInt16] = [], minInSync: Int = 0
) throws -> TopologyDocument {
    try #require(
        TopologyDocument(
            generation: Generation(12), reign: Reign(term: 3, holder: number(1)),
            replicas: upstreams.map { ReplicaSpec(node: number($0), upstream: number($1)) },
            minInSyncReplicas: minInSync,
            nodes: try ([1] + upstreams.keys + others).map { try record($0) }, note: note))
}

extension Result<TopologyChange, TopologyFaults> {
    /// The document to append; fails the test when there is none.
    func changed() throws -> TopologyDocument {
        guard case .changed(let document) = try get() else {
            throw Unexpected(what: "the request changes nothing")
        }
        return document
    }

    /// Pointers and codes of the faults, in order.
    var faults: [String] {
        guard case .failure(let faults) = self else { return [] }
        return faults.all.map { "\($0.pointer) \($0.code.rawValue)" }
    }
}

extension TopologyDocument {
    /// `2←1` means that n2 follows n1.
    var shape: String {
        "\(primary): " + replicas.map { "\($0.node)←\($0.upstream)" }.joined(separator: " ")
    }
}

struct Unexpected: Error {
    let what: String
}
