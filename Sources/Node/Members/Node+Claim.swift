public import Log
import Platform
import Replication
public import Topology

/// Why a claim is not made. Nothing was changed.
public enum ClaimRefusal: Error, Sendable {
    case isPrimary
    case notMember
    case unknownNode(NodeName)
    /// It is configured to follow this node, directly or through others.
    case ownFollower(NodeName)
    case failed(String)
}

extension Node {
    /// Follows `upstream` instead of the node that is configured, when that one is silent and nobody
    /// can change the topology. On disk before `completion` is called; never waits for the network.
    /// It is this node's alone, so `changedBy` is in its event log, and not in the audit.
    public func claim(
        upstream: NodeName, changedBy: String,
        completion: @escaping @Sendable (Result<Void, ClaimRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(ClaimRefusal) {
                completion(.success(try makeClaim(upstream, changedBy)))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(.failed("the node is stopping"))) }
    }

    /// Whether that node follows another upstream by a claim, as last heard.
    public func hasClaim(_ number: NodeNumber) -> Bool {
        peers.observation(of: number)?.status?.report.running?.claim != nil
    }

    /// What a claim of that upstream is made of, or why there is none.
    func checkClaim(
        _ name: NodeName
    ) throws(ClaimRefusal) -> (upstream: NodeRecord, configured: NodeNumber, TopologyDocument) {
        if state.committer != nil { throw .isPrimary }
        guard let document = state.document, let number = state.facts.number,
            case .replica(let configured) = state.ownRole(in: document)
        else { throw .notMember }
        guard let upstream = document.node(named: name), upstream.number != number else {
            throw .unknownNode(name)
        }
        guard !document.descendants(of: number).contains(upstream.number) else {
            throw .ownFollower(name)
        }
        return (upstream, configured, document)
    }

    /// On the control loop.
    private func makeClaim(_ name: NodeName, _ changedBy: String) throws(ClaimRefusal) {
        let (record, configured, document) = try checkClaim(name)
        let upstream = record.number
        do {
            try state.factsFile.change {
                $0.claim =
                    upstream == configured
                    ? nil
                    : NodeFacts.Claim(upstream: upstream, basis: document.version, since: .now())
            }
        } catch {
            throw .failed("cannot write node.json: \(error)")
        }
        if case .replica(let session?) = state.role, session.upstream.number != upstream {
            session.stop()
        }
        log(
            .warning, "claimed another upstream",
            ["upstream": name.rawValue, "by": changedBy])
        control.poke()
    }
}
