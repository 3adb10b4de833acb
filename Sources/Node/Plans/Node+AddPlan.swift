import Engine
import Log
import Platform
public import Topology

extension Node {
    /// What taking the node at `address` in would do. Looks at it as the change itself does, and
    /// changes nothing; its blockers are the reasons for which it would be refused.
    ///
    /// A failure when this node cannot tell: it is not the primary, or too many looks are under way.
    public func planAdd(
        at address: NodeAddress, name: NodeName?, upstream: NodeName?, discardData: Bool,
        completion: @escaping @Sendable (Result<ChangePlan, ChangeFailure>) -> Void
    ) {
        guard state.committer != nil else { return completion(.failure(notPrimaryFailure())) }
        if let refusal = refusal(of: address) {
            let failure = MemberFailure.addressNotAllowed(refusal)
            return completion(.success(ChangePlan(blockers: [failure.finding(name)])))
        }
        guard tracker.beginLook(max: Node.looksMax) else { return completion(.failure(.busy)) }
        _ = WorkerThread(name: "look") { [self] in
            defer { tracker.endLook() }
            do throws(MemberFailure) {
                let status = try look(at: address, name: name, discardData: discardData)
                completion(.success(try addPlan(status, address, upstream, discardData)))
            } catch {
                completion(.success(ChangePlan(blockers: [error.finding(name)])))
            }
        }
    }

    private func addPlan(
        _ status: PeerStatus, _ address: NodeAddress, _ upstream: NodeName?, _ discardData: Bool
    ) throws(MemberFailure) -> ChangePlan {
        guard let name = NodeName(status.name), let document = state.document else {
            throw .nameMismatch(found: status.name)
        }
        let number = document.nextNumber(
            after: NodeNumber(rawValue: engine?.state.catalog.nextNodeNumber ?? 1))
        var found = observation(of: status, as: number, in: document)
        found.isSameLineage = nil
        let plan = self.plan(found: [found]) { document, number, note in
            Node.adding(name, at: address, number: number, upstream: upstream, to: document, note)
        }
        guard var plan else { throw .change(.notReady) }
        // As the change itself says it.
        if plan.blockers.contains(where: { $0.code.rawValue == "duplicate-name" }) {
            throw .exists(name)
        }
        if status.holdsUserData, discardData, status.lineage != state.lineage {
            plan.risks.append(
                ChangePlan.Finding(
                    .dataLoss, name, "what it has written itself is set aside in diverged/",
                    evidence: [.measured("entries", status.extent.position.index.rawValue)],
                    remedy: "add an empty node instead"))
        }
        return plan
    }

    /// The document with a new replica; of `upstream`, or of the primary.
    static func adding(
        _ name: NodeName, at address: NodeAddress, number: NodeNumber, upstream: NodeName?,
        to document: TopologyDocument, _ note: ChangeNote
    ) -> Result<TopologyChange, TopologyFaults> {
        var parent: NodeNumber? = document.primary
        if let upstream { parent = document.node(named: upstream)?.number }
        guard let parent else {
            return .failure(
                TopologyFaults([
                    TopologyFault(
                        "/upstream", .unknownNode, "there is no node \(upstream?.rawValue ?? "")")
                ]))
        }
        return document.addingReplica(
            name, at: address, number: number, upstream: parent, note: note)
    }
}

extension MemberFailure {
    func finding(_ name: NodeName?) -> ChangePlan.Finding {
        switch self {
        case .addressNotAllowed(let detail):
            ChangePlan.Finding(
                .addressNotAllowed, name, "/address: \(detail)",
                remedy: "correct /address, or start the nodes with what it asks for")
        case .unreachable(let detail):
            ChangePlan.Finding(
                .nodeUnreachable, name, "it was not reached: \(detail)",
                evidence: [.measured("timeout_seconds", Node.lookTimeout.inSeconds)],
                remedy: "start it, or correct its address")
        case .notEmpty(let found):
            ChangePlan.Finding(
                .nodeNotEmpty, NodeName(found), "it holds data of its own",
                remedy: "send discard_data true, which sets that data aside, or add an empty node")
        case .nameMismatch(let found):
            ChangePlan.Finding(
                .nameMismatch, name, "the node at that address says that its name is \(found)",
                remedy: "name it \(found), or correct the address")
        case .exists(let name):
            ChangePlan.Finding(
                .alreadyExists, name, "there is a node \(name) already",
                remedy: "start the new node under another --name, or remove \(name) before")
        case .change:
            ChangePlan.Finding(
                .init(rawValue: "not-ready"), name, "this node cannot take it in now",
                remedy: "ask the primary")
        }
    }

    /// Why it is not taken in, for who plans without looking at it.
    public static func addressFinding(_ detail: String) -> ChangePlan.Finding {
        MemberFailure.addressNotAllowed(detail).finding(nil)
    }
}
