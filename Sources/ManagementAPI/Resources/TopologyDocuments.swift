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

extension FaultList {
    /// Rules of a whole document, which nobody can judge while a part of it cannot be read.
    private static let resting: Set<TopologyFault.Code> = [
        .unknownNode, .nodeWithoutRole, .minInSyncUnmet, .primaryChanged, .noPrimary,
    ]
    private static let members = ["/nodes", "/replicas", "/primary"]

    /// Adds to what cannot be read what is wrong with the rest, so that a document is corrected once.
    func report(rulesOf request: TopologyRequest, beside document: TopologyDocument) {
        let unread = faults.map(\.pointer)
        let isWhole = !unread.contains { pointer in
            FaultList.members.contains { pointer == $0 || pointer.hasPrefix($0 + "/") }
        }
        let change = document.applying(
            request, nextNumber: NodeNumber(rawValue: 1),
            note: ChangeNote(at: document.changedAt, by: document.changedBy))
        guard case .failure(let found) = change else { return }
        for fault in found.all {
            let isUnread = unread.contains {
                fault.pointer == $0 || fault.pointer.hasPrefix($0 + "/")
            }
            guard !isUnread, isWhole || !FaultList.resting.contains(fault.code) else { continue }
            report(fault.pointer, fault.code.rawValue, Sentence.of(fault.detail))
        }
    }
}
