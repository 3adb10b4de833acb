public import Engine
import HTTPClient
import JSON
import Log
import Platform
import Replication
public import Topology

/// Why a failover to this node does not begin. Nothing was changed.
public struct FailoverRefusal: Error, Sendable {
    /// Each rule that forbids it, with its evidence; never empty.
    public var vetoes: [ChangePlan.Finding]
}

/// Becoming primary when the primary is gone: sent to the candidate.
///
///     look ──▶ bid (promises ──▶ tail ──▶ reign) ──▶ spread
///
/// See ``Bid`` for what follows the look.
extension Node {
    /// Begins a failover to this node, or forks, when it is detached.
    public func failOver(
        acceptDataLoss: Bool, operationID: String = Node.newOperationID(), changedBy: String,
        reason: String,
        completion: @escaping @Sendable (Result<OperationRecord, FailoverRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(FailoverRefusal) {
                completion(
                    .success(
                        try beginFailover(
                            acceptDataLoss: acceptDataLoss, operationID, changedBy: changedBy,
                            reason: reason)))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(FailoverRefusal(vetoes: [failoverRunning]))) }
    }

    /// On the control loop.
    private func beginFailover(
        acceptDataLoss: Bool, _ operationID: String, changedBy: String, reason: String
    ) throws(FailoverRefusal) -> OperationRecord {
        let outlook = knownOutlook
        let vetoes = failoverVetoes(acceptDataLoss: acceptDataLoss, outlook)
        guard vetoes.isEmpty, let engine = state.engine, let number = state.facts.number,
            let document = state.document
        else { throw FailoverRefusal(vetoes: vetoes) }
        let isDetached = state.ownRole(in: document) == nil
        let operation = OperationRecord(
            id: operationID, type: isDetached ? "fork" : "failover", state: .running,
            subject: name.rawValue, createdAt: .now(), createdBy: changedBy, reason: reason)
        guard tracker.beginLocal(operation) else {
            throw FailoverRefusal(vetoes: [failoverRunning])
        }
        writeLocalOperations()
        if isDetached {
            _ = WorkerThread(name: "fork") { [self] in fork(engine, number, operation) }
            return operation
        }
        _ = WorkerThread(name: "failover") { [self] in
            run(
                Failover(
                    operation: operation, document: document, number: number,
                    acceptDataLoss: acceptDataLoss))
        }
        return operation
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
            let outlook = lookAround(failover.document, failover.number)
            if !failover.acceptDataLoss, outlook.loss != nil {
                let veto = dataLossPossible(outlook)
                throw Bid.Failure(code: veto.code.rawValue, detail: veto.detail, vetoes: [veto])
            }
            tracker.enterLocal(failover.operation.id, "promises")
            let bid = try makeBid(
                failover.document, failover.number, mayMissReigns: outlook.loss != nil)
            let promises = try collectPromises(bid)
            let decision = bid.decision(promises: promises.count)
            if !failover.acceptDataLoss, let risk = decision.risk {
                throw Bid.Failure(code: "data-loss-possible", detail: risk)
            }
            var result = result(of: promises, bid, decision)
            if let furthest = promises.furthest {
                tracker.enterLocal(failover.operation.id, "tail")
                let entries = try take(furthest, bid, failover)
                result.tail = .init(node: furthest.name.rawValue, entries: entries)
            }
            guard failover.acceptDataLoss || hasApplied(bid.document) else {
                throw Bid.Failure.lacks(bid.document)
            }
            var operation = failover.operation
            tracker.enterLocal(operation.id, "reign")
            operation.result = OperationResult.text(
                OperationResult.text(result.json), with: tracker.steps(of: operation.id))
            try reignNow(bid, operation)
        } catch {
            tracker.failLocal(
                failover.operation.id, code: error.code, detail: error.detail, error.vetoes)
            keepLocalOperations()
            log(.error, "failover failed", ["code": error.code, "detail": error.detail])
            waits.poke()
        }
    }

    /// With data loss accepted a tail that does not come is one.
    private func take(
        _ record: NodeRecord, _ bid: Bid, _ failover: Failover
    ) throws(Bid.Failure) -> UInt64 {
        do throws(Bid.Failure) {
            return try takeTail(from: record, for: bid)
        } catch {
            guard failover.acceptDataLoss, error.code == "tail-missing" else { throw error }
            log(.warning, "going on without a tail", ["detail": error.detail])
            return 0
        }
    }

    private func reignNow(_ bid: Bid, _ operation: OperationRecord) throws(Bid.Failure) {
        let isOpen = control.run(within: .seconds(30)) { [self] in
            stands(bid) && takeReign(bid, operation)
        }
        guard isOpen == true else {
            throw Bid.Failure(
                code: "reign-contested", detail: "another node took a higher reign meanwhile")
        }
        tracker.enterLocal(operation.id, "spread")
        peers.pokeAll()
        var ended = operation
        ended.state = .succeeded
        ended.finishedAt = .now()
        submit(PutOperation(ended), needsSpace: false) { [self, id = ended.id] _ in
            tracker.endLocal(id)
            keepLocalOperations()
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
