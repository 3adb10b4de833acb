public import Engine
import HTTPClient
import Log
import Platform
import Replication
public import Topology

/// Why a node is not taken in. Nothing was changed.
public enum MemberFailure: Error, Sendable {
    /// Links to that address are not allowed as this node was started.
    case addressNotAllowed(String)
    case unreachable(String)
    case notEmpty(name: String)
    case nameMismatch(found: String)
    case exists(NodeName)
    case change(ChangeFailure)
}

extension Node {
    /// How long the look at a new node may take.
    public static let lookTimeout: Duration = .seconds(3)
    /// Looks that may run at once.
    static let looksMax = 16

    /// Looks at the node at `address`, and if it may be taken in, makes it a replica: durably in the
    /// topology when `completion` is called, and taken in by the operation.
    public func addNode(
        at address: NodeAddress, name: NodeName?, upstream: NodeName?, discardData: Bool,
        operationID: String = Node.newOperationID(), changedBy: String, reason: String?,
        credential: Credential? = nil,
        completion: @escaping @Sendable (Result<OperationRecord, MemberFailure>) -> Void
    ) {
        guard state.committer != nil else {
            return completion(.failure(.change(notPrimaryFailure())))
        }
        if let refusal = refusal(of: address) {
            return completion(.failure(.addressNotAllowed(refusal)))
        }
        guard tracker.beginLook(max: Node.looksMax) else {
            return completion(.failure(.change(.busy)))
        }
        _ = WorkerThread(name: "look") { [self] in
            defer { tracker.endLook() }
            do throws(MemberFailure) {
                let status = try look(at: address, name: name, discardData: discardData)
                guard let found = NodeName(status.name) else {
                    throw .nameMismatch(found: status.name)
                }
                add(
                    found, address, upstream, discardData: discardData, operationID, changedBy,
                    reason, credential, completion)
            } catch {
                completion(.failure(error))
            }
        }
    }

    /// Why this node makes no link to an address; nil when it may.
    public func refusal(of address: NodeAddress) -> String? {
        if address.isLoopback { return nil }
        if options.secret == nil {
            return
                "Links beyond loopback need a cluster secret: start every node with --cluster-secret-file."
        }
        guard address.scheme == .https || options.insecureLinks else {
            return
                "Links beyond loopback need https, or --insecure-links on a network that is trusted."
        }
        return nil
    }

    /// Blocks, for ``lookTimeout`` at most, and changes nothing.
    func look(
        at address: NodeAddress, name: NodeName?, discardData: Bool
    ) throws(MemberFailure) -> PeerStatus {
        let client = peerClient(at: address)
        let status: PeerStatus
        do throws(PeerError) {
            let answer = try client.call(
                "GET", "/replication/topology", deadlines: FetchDeadlines(total: Node.lookTimeout))
            guard let read = PeerStatus(json: answer) else {
                throw PeerError.badAnswer("it does not answer like a Convoy node")
            }
            status = read
        } catch {
            var detail = error.detail
            if case .timedOut = error {
                detail = "no answer within \(Node.lookTimeout.components.seconds) s"
            }
            throw .unreachable("\(address.url): \(detail)")
        }
        if let name, name.rawValue != status.name { throw .nameMismatch(found: status.name) }
        guard NodeName(status.name) != nil else { throw .nameMismatch(found: status.name) }
        if status.holdsUserData && !discardData && status.lineage != state.lineage {
            throw .notEmpty(name: status.name)
        }
        return status
    }

    private func add(
        _ name: NodeName, _ address: NodeAddress, _ upstream: NodeName?, discardData: Bool,
        _ id: String, _ changedBy: String, _ reason: String?, _ credential: Credential?,
        _ completion: @escaping @Sendable (Result<OperationRecord, MemberFailure>) -> Void
    ) {
        let operation = OperationRecord(
            id: id, type: "add-node", state: .running, subject: name.rawValue,
            createdAt: .now(), createdBy: changedBy, reason: reason)
        let change = ChangeTopology(changedBy: changedBy, reason: reason, operation: operation) {
            [tracker] document, number, note in
            let made = Node.adding(
                name, at: address, number: number, upstream: upstream, to: document, note)
            if discardData, case .success = made { tracker.allowDiscard(of: number) }
            return made
        }
        submit(change, by: credential) { [self] result in
            switch result {
            case .success:
                control.poke()
                completion(.success(operation))
            case .failure(.refused(.topologyInvalid(let faults)))
            where faults.contains { $0.code == .duplicateName }:
                completion(.failure(.exists(name)))
            case .failure(let failure):
                completion(.failure(.change(failure)))
            }
        }
    }

    /// A change of the topology that looks at no node.
    public func changeTopology<C: Change>(
        _ change: C,
        completion: @escaping @Sendable (Result<Committed<TopologyOutcome>, ChangeFailure>) -> Void
    ) where C.Answer == TopologyOutcome {
        submit(change, needsSpace: false) { [self] result in
            if case .success = result { topologyHasChanged() }
            completion(result)
        }
    }

    /// Has everybody hear of it now.
    public func topologyHasChanged() {
        control.poke()
        peers.pokeAll()
    }

    /// Starts a replica over with a full sync, by an operation.
    public func resync(
        _ member: NodeRecord, operationID: String = Node.newOperationID(), changedBy: String,
        reason: String?, credential: Credential? = nil,
        completion: @escaping @Sendable (Result<OperationRecord, ChangeFailure>) -> Void
    ) {
        let operation = OperationRecord(
            id: operationID, type: "resync-node", state: .running,
            subject: member.name.rawValue, createdAt: .now(), createdBy: changedBy, reason: reason)
        submit(PutOperation(operation), by: credential, needsSpace: false) { [self] result in
            switch result {
            case .success:
                peers.poke(member.number)
                completion(.success(operation))
            case .failure(let failure):
                completion(.failure(failure))
            }
        }
    }

    /// A primary asks this replica to start over. Asked twice for one operation, it does so once.
    /// Whomever it follows meanwhile, the wish holds until a full sync has ended.
    public func startOver(operation id: String) {
        control.enqueue { [self] in
            guard tracker.beginResync(id) else { return }
            if case .replica(let session?) = state.role { session.stop() }
            control.poke()
        }
    }

    /// Random, and never used twice.
    public static func newOperationID() -> String {
        let number = UInt64.random(in: 0...UInt64.max)
        let digits = String(number, radix: 36)
        return "op_" + String(repeating: "0", count: max(0, 13 - digits.count)) + digits
    }
}
