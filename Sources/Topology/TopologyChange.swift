public import Log
import Platform

/// What a valid request amounts to.
public enum TopologyChange: Equatable, Sendable {
    /// The cluster is already wanted like this: append nothing, and reconcile.
    case unchanged
    /// The document to append: the next generation.
    case changed(TopologyDocument)
}

/// The next document, or every fault of the request. All pure: nothing is looked at but the
/// arguments. Faults point into the body of the request that each is made for.
extension TopologyDocument {
    /// What `PUT /v1/topology` asks for.
    ///
    /// A node with an unknown name is new and gets the next number; the caller keeps
    /// ``nextNumber(after:)`` of the document that it appends. `request.reason` goes before the
    /// note's.
    public func applying(
        _ request: TopologyRequest, nextNumber: NodeNumber, note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        var request = request
        request.reason = request.reason ?? note.reason
        let moved = request.primary.map { $0 != label(of: primary) && !$0.isEmpty } ?? false
        let stale = staleness(of: request)
        let primaryFaults =
            moved
            ? [
                TopologyFault(
                    "/primary", .primaryChanged,
                    "the primary is \(label(of: primary)); POST /v1/topology/switchover moves it")
            ] : []
        return content(
            request, reign: reign, nextNumber: nextNumber, note: note,
            moreFaults: stale + primaryFaults)
    }

    /// Takes a new node in as a replica of `upstream`. `number` has never been used.
    public func addingReplica(
        _ name: NodeName, at address: NodeAddress, number: NodeNumber, upstream: NodeNumber,
        note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        var request = TopologyRequest(self)
        request.nodes.append(.init(name: name.rawValue, address: address.url))
        request.replicas.append(.init(node: name.rawValue, upstream: label(of: upstream)))
        return edited(
            request, nextNumber: number, note: note,
            members: [
                "name": "/name", "node": "/name", "address": "/address", "upstream": "/upstream",
            ])
    }

    /// Takes a node out; who followed it follows its upstream, in the same document.
    public func removing(
        _ node: NodeNumber, note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        guard self.node(numbered: node) != nil else { return .failure(unknown(node)) }
        guard node != primary else {
            return .failure(
                TopologyFaults([
                    TopologyFault(
                        "", .nodeIsPrimary,
                        "\(label(of: node)) is the primary; move it by a switchover first")
                ]))
        }
        var request = TopologyRequest(self)
        let name = label(of: node)
        request.nodes.removeAll { $0.name == name }
        request.replicas.removeAll { $0.node == name }
        if let upstream = upstream(of: node) {
            request.reparent(childrenOf: name, to: label(of: upstream))
        }
        return edited(request, note: note, members: [:])
    }

    /// Gives a node another address, another upstream, or both in one generation. A node without
    /// a role that gets an upstream becomes a replica.
    ///
    /// With `endsClaim` there is a next generation though nothing differs: a claim ends with the first
    /// document that is newer than the one it was made against.
    public func updating(
        _ node: NodeNumber, address: NodeAddress? = nil, upstream: NodeNumber? = nil,
        endsClaim: Bool = false, note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        guard let at = nodes.firstIndex(where: { $0.number == node }) else {
            return .failure(unknown(node))
        }
        var request = TopologyRequest(self)
        if let address { request.nodes[at].address = address.url }
        if let upstream {
            let index = replicas.firstIndex { $0.node == node } ?? replicas.count
            let wanted = TopologyRequest.Replica(
                node: label(of: node), upstream: label(of: upstream))
            request.replicas.replaceSubrange(index..<min(index + 1, replicas.count), with: [wanted])
        }
        return edited(
            request, note: note, isRenewed: endsClaim,
            members: ["address": "/address", "node": "/upstream", "upstream": "/upstream"])
    }

    /// Goes back to what `old` wanted, but for the primary, which stays: where another node was primary,
    /// that one and its replicas follow the present primary.
    public func restoring(
        _ old: TopologyDocument, nextNumber: NodeNumber, note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        let (own, former) = (label(of: primary), old.label(of: old.primary))
        var request = TopologyRequest(old)
        request.reason = note.reason
        guard request.nodes.contains(where: { $0.name == own }) else {
            return .failure(
                TopologyFaults([
                    TopologyFault(
                        "/to_generation", .unknownNode,
                        "\(own) is the primary, and is not in generation \(old.generation)")
                ]))
        }
        if former != own {
            request.primary = own
            request.replicas.removeAll { $0.node == own }
            request.reparent(childrenOf: former, to: own)
            request.replicas.append(.init(node: former, upstream: own))
        }
        return content(request, reign: reign, nextNumber: nextNumber, note: note, moreFaults: [])
    }

    /// Makes `to` the primary, as the holder of the higher `reign`. The old primary and its
    /// replicas follow `to`; other replicas stay where they are.
    ///
    /// With the present primary as `to` only the reign moves; that is a change too.
    public func movingPrimary(
        to node: NodeNumber, reign next: Reign, note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        guard self.node(numbered: node) != nil else { return .failure(unknown(node, at: "/to")) }
        var faults: [TopologyFault] = []
        if role(of: node) == nil {
            faults.append(
                TopologyFault(
                    "/to", .nodeWithoutRole, "\(label(of: node)) is not a replica of this cluster"))
        }
        if next <= reign || next.holder != node {
            faults.append(
                TopologyFault("", .staleTerm, "reign \(next) does not follow \(reign)"))
        }
        var request = TopologyRequest(self)
        request.reason = note.reason
        if node != primary {
            let (old, new) = (label(of: primary), label(of: node))
            request.primary = new
            request.replicas.removeAll { $0.node == new }
            request.reparent(childrenOf: old, to: new)
            request.replicas.append(.init(node: old, upstream: new))
        }
        return content(
            request, reign: next, nextNumber: nextNumber(after: node), note: note,
            moreFaults: faults)
    }
}

extension TopologyRequest {
    fileprivate mutating func reparent(childrenOf node: String, to upstream: String) {
        for index in replicas.indices where replicas[index].upstream == node {
            replicas[index].upstream = upstream
        }
    }
}

extension TopologyDocument {
    /// A change of one thing in this document. `members` says what the last part of a pointer into
    /// the document is in the request; a fault that it has no member for is one of the whole.
    private func edited(
        _ request: TopologyRequest, nextNumber: NodeNumber = NodeNumber(rawValue: 1),
        note: ChangeNote, isRenewed: Bool = false, members: [String: String]
    ) -> Result<TopologyChange, TopologyFaults> {
        var request = request
        request.reason = note.reason
        return content(
            request, reign: reign, nextNumber: nextNumber, note: note, isRenewed: isRenewed,
            moreFaults: []
        )
        .mapError { faults in
            TopologyFaults(
                faults.all.map { fault in
                    var fault = fault
                    let member = fault.pointer.split(separator: "/").last.map(String.init)
                    fault.pointer = member.flatMap { members[$0] } ?? ""
                    return fault
                })
        }
    }

    /// The one place where a next document is made: rules, numbers, comparison.
    private func content(
        _ request: TopologyRequest, reign next: Reign, nextNumber: NodeNumber, note: ChangeNote,
        isRenewed: Bool = false, moreFaults: [TopologyFault]
    ) -> Result<TopologyChange, TopologyFaults> {
        var faults = moreFaults + DocumentRules.faults(in: request)
        let named = numbered(request.nodes, from: nextNumber, faults: &faults)
        guard faults.isEmpty else { return .failure(TopologyFaults(faults)) }

        let numbers = Dictionary(uniqueKeysWithValues: named.map { ($0.name.rawValue, $0.number) })
        let document = TopologyDocument(
            unchecked: generation.next, reign: next,
            replicas: request.replicas.compactMap { replica in
                guard let node = numbers[replica.node],
                    let upstream = replica.upstream.flatMap({ numbers[$0] })
                else { return nil }
                return ReplicaSpec(node: node, upstream: upstream)
            },
            minInSyncReplicas: request.minInSyncReplicas, nodes: named,
            note: ChangeNote(at: note.at, by: note.by, reason: request.reason))
        if next == reign && document.hasSameContent(as: self) && !isRenewed {
            return .success(.unchanged)
        }
        return .success(.changed(document))
    }

    /// Known names keep their numbers, others get the next ones in their order. Entries whose name
    /// or address is at fault are left out.
    private func numbered(
        _ wanted: [TopologyRequest.Node], from nextNumber: NodeNumber,
        faults: inout [TopologyFault]
    ) -> [NodeRecord] {
        var next = self.nextNumber(after: nextNumber).rawValue
        var records: [NodeRecord] = []
        for (at, entry) in wanted.prefix(TopologyDocument.nodesMax).enumerated() {
            guard let name = NodeName(entry.name) else { continue }
            let known = node(named: name)?.number
            if let asked = entry.number, asked != known.map({ Int($0.rawValue) }) {
                let truth = known.map { "its number is \($0)" } ?? "a new node is given its number"
                faults.append(
                    TopologyFault(
                        "/nodes/\(at)/number", .staleNumber, "\(asked) is not \(name)'s: \(truth)"))
            }
            if known == nil && next == .max {
                faults.append(
                    TopologyFault(
                        "/nodes/\(at)/name", .numbersExhausted,
                        "no number is left for \(name): each below \(next) has been used"))
                continue
            }
            let number = known?.rawValue ?? next
            if known == nil { next += 1 }
            guard let address = NodeAddress(entry.address) else { continue }
            records.append(
                NodeRecord(number: NodeNumber(rawValue: number), name: name, address: address))
        }
        return records
    }

    /// What the request says to be current and is not.
    private func staleness(of request: TopologyRequest) -> [TopologyFault] {
        var faults: [TopologyFault] = []
        func compare<Value: Equatable>(
            _ pointer: String, _ code: TopologyFault.Code, _ asked: Value?, _ current: Value
        ) {
            guard let asked, asked != current else { return }
            faults.append(TopologyFault(pointer, code, "\(asked) is not current: it is \(current)"))
        }
        compare("/generation", .staleGeneration, request.generation, Int(generation.rawValue))
        compare("/term", .staleTerm, request.term, Int(reign.term))
        compare("/changed_at", .staleChange, request.changedAt, changedAt.rfc3339)
        compare("/changed_by", .staleChange, request.changedBy, changedBy)
        return faults
    }

    private func unknown(_ node: NodeNumber, at pointer: String = "") -> TopologyFaults {
        TopologyFaults([TopologyFault(pointer, .unknownNode, "there is no node \(label(of: node))")]
        )
    }
}
