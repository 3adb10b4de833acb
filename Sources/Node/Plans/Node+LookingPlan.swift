import Engine
public import Log
import Platform
public import Topology

/// Plans of changes that bring nodes which are not in the document: those are looked at.
extension Node {
    /// The plan of a change that may bring nodes which are not in the document: looks at them, and
    /// changes nothing. Nil without a document, a failure when too many looks are under way.
    ///
    /// `completion` comes within ``lookTimeout``, on a thread of ours.
    public func planLooking(
        _ make:
            @escaping @Sendable (TopologyDocument, NodeNumber, ChangeNote) ->
            Result<TopologyChange, TopologyFaults>,
        completion: @escaping @Sendable (Result<ChangePlan?, ChangeFailure>) -> Void
    ) {
        guard tracker.beginLook(max: Node.looksMax) else { return completion(.failure(.busy)) }
        _ = WorkerThread(name: "look") { [self] in
            defer { tracker.endLook() }
            completion(.success(plan(found: lookAtNewcomers(make), make)))
        }
    }

    private func lookAtNewcomers(
        _ make: (TopologyDocument, NodeNumber, ChangeNote) -> Result<
            TopologyChange, TopologyFaults
        >
    ) -> [NodeObservation] {
        let next = NodeNumber(rawValue: engine?.state.catalog.nextNodeNumber ?? 1)
        guard let document = state.document,
            case .success(.changed(let wanted)) = make(
                document, next, ChangeNote(at: .now(), by: "plan"))
        else { return [] }
        let newcomers = wanted.nodes.filter { document.node(numbered: $0.number) == nil }
            .prefix(Node.looksMax)
        let found = Monitor<[NodeObservation]>([])
        for record in newcomers {
            _ = WorkerThread(name: "look", stackBytes: 512 << 10) { [self] in
                let seen: NodeObservation
                do throws(MemberFailure) {
                    seen = observation(
                        of: try look(at: record.address, name: record.name, discardData: true),
                        as: record.number, in: document)
                } catch {
                    // Another node at its address answers, too.
                    let isThere = if case .unreachable = error { false } else { true }
                    seen = NodeObservation(
                        number: record.number, name: record.name, isReachable: isThere,
                        isSameLineage: isThere ? false : nil, observedAt: .now(), wasHeard: isThere)
                }
                found.update { $0.append(seen) }
            }
        }
        let deadline = MonotonicTime.now() + Node.lookTimeout + .milliseconds(500)
        let count = newcomers.count
        return found.wait(until: deadline) { $0.count == count ? $0 : nil } ?? found.withLock { $0 }
    }

    /// What a look at a node that is not in the document tells a plan. Reads the log, to compare.
    func observation(
        of status: PeerStatus, as number: NodeNumber, in document: TopologyDocument
    ) -> NodeObservation {
        var found = status.report.planningObservation(as: number, in: document, at: .now())
        // One of another cluster is taken in, unless it holds data.
        let isForeign = status.lineage != state.lineage
        found.isSameLineage = isForeign && status.holdsUserData ? false : nil
        found.upstream = nil
        found.history = history(of: status)
        return found
    }

    private func history(of status: PeerStatus) -> ComparedHistory? {
        guard let engine, status.lineage == state.lineage, status.extent.position.index > .zero
        else { return .absent }
        do throws(LogError) {
            try engine.log.check(status.extent.position)
            return .shared
        } catch {
            switch error {
            case .notRetained: return .notRetained
            case .hashDiffers, .ahead: return .differs
            case .damaged, .io: return nil
            }
        }
    }
}
