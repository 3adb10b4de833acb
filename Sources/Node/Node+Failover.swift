public import Engine
import HTTPClient
import JSON
import Log
import Platform
import Replication
import Topology

/// Why a failover to this node does not begin. Nothing was changed.
public enum FailoverRefusal: Error, Sendable {
    /// Each rule that forbids it, with its evidence.
    case vetoed([NodeReport.Veto])
    /// It would be careful only with `accept_data_loss`; what may be lost, in words.
    case mayLoseData(String)
    case isPrimary
    case notMember
    case busy
}

/// Becoming primary when the primary is gone: sent to the candidate.
///
///     look ──▶ bid (promises ──▶ tail ──▶ reign) ──▶ spread
///
/// See ``Bid`` for what follows the look.
extension Node {
    /// Begins a failover to this node, or forks, when it is detached.
    public func failOver(
        acceptDataLoss: Bool, changedBy: String, reason: String,
        completion: @escaping @Sendable (Result<OperationRecord, FailoverRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(FailoverRefusal) {
                completion(
                    .success(
                        try beginFailover(
                            acceptDataLoss: acceptDataLoss, changedBy: changedBy, reason: reason)))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(.busy)) }
    }

    /// On the control loop.
    private func beginFailover(
        acceptDataLoss: Bool, changedBy: String, reason: String
    ) throws(FailoverRefusal) -> OperationRecord {
        if state.committer != nil { throw .isPrimary }
        let vetoes = report().vetoes.filter { $0.code != "lagging" && $0.code != "detached" }
        guard vetoes.isEmpty, let engine = state.engine else { throw .vetoed(vetoes) }
        guard let number = state.facts.number, let document = state.document else {
            throw .notMember
        }
        let isDetached = state.ownRole(in: document) == nil
        let operation = OperationRecord(
            id: Node.newOperationID(), type: isDetached ? "fork" : "failover", state: .running,
            subject: name.rawValue, createdAt: .now(), createdBy: changedBy, reason: reason)
        guard tracker.beginLocal(operation) else { throw .busy }
        if isDetached {
            _ = WorkerThread(name: "fork") { [self] in fork(engine, number, operation) }
            return operation
        }
        if !acceptDataLoss, let risk = expected(document, number).risk {
            tracker.endLocal(operation.id)
            throw .mayLoseData(risk)
        }
        _ = WorkerThread(name: "failover") { [self] in
            run(
                Failover(
                    operation: operation, document: document, number: number,
                    acceptDataLoss: acceptDataLoss))
        }
        return operation
    }

    /// How many would promise, by who answered lately.
    private func expected(_ document: TopologyDocument, _ own: NodeNumber) -> FailoverDecision {
        let answering = document.peers(of: own).count { record in
            peers.observation(of: record.number)?.isReachable != false
        }
        return FailoverDecision(document, promises: answering + 1)
    }

    private struct Failover {
        var operation: OperationRecord
        var document: TopologyDocument
        var number: NodeNumber
        var acceptDataLoss: Bool
    }

    /// On a thread of its own: it waits for peers.
    private func run(_ failover: Failover) {
        do throws(Bid.Failure) {
            let isCareful = try look(failover)
            tracker.enterLocal(failover.operation.id, "promises")
            let bid = makeBid(failover.document, failover.number, mayMissReigns: !isCareful)
            let promises = try collectPromises(bid)
            if !failover.acceptDataLoss, let risk = bid.decision(promises: promises.count).risk {
                throw Bid.Failure(code: "data-loss-possible", detail: risk)
            }
            if let furthest = promises.furthest {
                tracker.enterLocal(failover.operation.id, "tail")
                try take(furthest, bid, failover)
            }
            guard failover.acceptDataLoss || hasApplied(bid.document) else {
                throw Bid.Failure.lacks(bid.document)
            }
            try reignNow(bid, failover)
        } catch {
            tracker.failLocal(failover.operation.id, code: error.code, detail: error.detail)
            log(.error, "failover failed", ["code": error.code, "detail": error.detail])
            waits.poke()
        }
    }

    /// Asks everybody before anybody promises: a promise that leads to nothing holds up the cluster.
    ///
    /// - Returns: Whether enough answer to know that nothing acknowledged is missing.
    private func look(_ failover: Failover) throws(Bid.Failure) -> Bool {
        let askedAt = MonotonicTime.now()
        peers.pokeAll()
        let deadline = askedAt + Node.promiseTimeout
        let others = failover.document.peers(of: failover.number)
        func heard(_ record: NodeRecord) -> PeerObservation? {
            peers.observation(of: record.number).flatMap { $0.asked >= askedAt ? $0 : nil }
        }
        let pause = Monitor(())
        while MonotonicTime.now() < deadline, !others.allSatisfy({ heard($0) != nil }) {
            _ = pause.wait(until: .now() + .milliseconds(10)) { _ -> Void? in nil }
        }
        let reachable = others.count { heard($0)?.isReachable ?? false }
        let decision = FailoverDecision(failover.document, promises: reachable + 1)
        if !failover.acceptDataLoss, let risk = decision.risk {
            throw Bid.Failure(code: "data-loss-possible", detail: risk)
        }
        return decision.isExclusive
    }

    /// With data loss accepted a tail that does not come is one.
    private func take(
        _ record: NodeRecord, _ bid: Bid, _ failover: Failover
    ) throws(Bid.Failure) {
        do throws(Bid.Failure) {
            try takeTail(from: record, for: bid)
        } catch {
            guard failover.acceptDataLoss, error.code == "tail-missing" else { throw error }
            log(.warning, "going on without a tail", ["detail": error.detail])
        }
    }

    private func reignNow(_ bid: Bid, _ failover: Failover) throws(Bid.Failure) {
        tracker.enterLocal(failover.operation.id, "reign")
        let isOpen = control.run(within: .seconds(30)) { [self] in
            stands(bid) && takeReign(bid, failover.operation)
        }
        guard isOpen == true else {
            throw Bid.Failure(
                code: "reign-contested", detail: "another node took a higher reign meanwhile")
        }
        tracker.enterLocal(failover.operation.id, "spread")
        peers.pokeAll()
        var ended = failover.operation
        ended.state = .succeeded
        ended.finishedAt = .now()
        submit(PutOperation(ended), needsSpace: false) { [self, id = ended.id] _ in
            tracker.endLocal(id)
            waits.poke()
        }
    }

    /// Opens the reign that was promised. On the control loop.
    private func takeReign(_ bid: Bid, _ operation: OperationRecord) -> Bool {
        let reign = bid.reign
        guard let engine = state.engine, reign > engine.state.header.reign else { return false }
        if case .replica(let session?) = state.role { session.stop() }
        _ = state.beginSession()
        return openReign(
            engine, reign,
            ChangeTopology(
                changedBy: operation.createdBy, reason: operation.reason, operation: operation
            ) { applied, _, note in
                // What was heard of counts, also when the log has lost it: a removed node stays removed.
                let newest = applied.version < bid.document.version ? bid.document : applied
                return newest.movingPrimary(to: reign.holder, reign: reign, note: note)
            })
    }
}
