import JSON
import Log
import Platform
import Topology

/// The topology document and its plans as JSON, both ways.
extension TopologyDocument {
    var json: JSONValue {
        [
            "generation": JSONValue(generation.rawValue), "term": JSONValue(reign.term),
            "primary": .string(label(of: primary)),
            "replicas": .array(
                replicas.map {
                    [
                        "node": .string(label(of: $0.node)),
                        "upstream": .string(label(of: $0.upstream)),
                    ]
                }),
            "min_in_sync_replicas": JSONValue(minInSyncReplicas),
            "nodes": .array(
                nodes.map {
                    [
                        "name": .string($0.name.rawValue), "number": JSONValue($0.number.rawValue),
                        "address": .string($0.address.url),
                    ]
                }),
            "changed_at": .string(changedAt.rfc3339), "changed_by": .string(changedBy),
            "reason": .orNull(reason),
        ]
    }
}

extension TopologyRequest {
    private static let names = [
        "generation", "term", "primary", "replicas", "min_in_sync_replicas", "nodes", "changed_at",
        "changed_by", "reason",
    ]
    /// What JSON readers hold exactly.
    private static let numberMax = 1 << 53 - 1
    /// More is a fault of the document's own rules, which say how many there may be.
    private static let listMax = 10_000

    /// Only types are checked here; the rules of the document are Topology's.
    init(_ value: JSONValue, _ faults: FaultList) {
        let fields = Fields(value, allowing: TopologyRequest.names, faults)
        let replicas = fields.list("replicas", count: 0...TopologyRequest.listMax, isRequired: true)
        let nodes = fields.list("nodes", count: 0...TopologyRequest.listMax, isRequired: true)
        func optionalText(_ name: String) -> String? {
            fields.isNil(name) ? nil : fields.text(name)
        }
        self.init(
            generation: fields.integer("generation", in: 0...TopologyRequest.numberMax),
            term: fields.integer("term", in: 0...TopologyRequest.numberMax),
            primary: fields.text("primary", isRequired: true),
            replicas: (replicas ?? []).map { item in
                let fields = Fields(
                    item.value, at: item.pointer, allowing: ["node", "upstream"], faults)
                return Replica(
                    node: fields.text("node", isRequired: true) ?? "",
                    upstream: fields.text("upstream", isRequired: true))
            },
            minInSyncReplicas: fields.integer(
                "min_in_sync_replicas", in: 0...TopologyRequest.listMax, isRequired: true) ?? 0,
            nodes: (nodes ?? []).map { item in
                let fields = Fields(
                    item.value, at: item.pointer, allowing: ["name", "number", "address"], faults)
                return Node(
                    name: fields.text("name", isRequired: true) ?? "",
                    number: fields.integer("number", in: 0...Int(UInt16.max)),
                    address: fields.text("address", isRequired: true) ?? "")
            },
            changedAt: optionalText("changed_at"), changedBy: optionalText("changed_by"),
            reason: optionalText("reason"))
    }
}
