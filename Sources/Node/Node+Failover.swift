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
///     look ──▶ promises (≤ 500 ms) ──▶ tail ──▶ reign ──▶ spread
///
/// A promise is kept on disk by whoever gives it, so of two candidates at once the one with the
/// higher reign wins, and the other is refused or fenced.
extension Node {
    static let promiseTimeout: Duration = .milliseconds(500)
    private static let tailTimeout: Duration = .seconds(60)

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
        let isDetached = document.role(of: number) == nil
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
        let answering = document.nodes.filter { record in
            record.number == own || peers.observation(of: record.number)?.isReachable != false
        }
        return FailoverDecision(
            replicas: document.replicas.count, minInSyncReplicas: document.minInSyncReplicas,
            promises: answering.count)
    }

    private struct Failover {
        var operation: OperationRecord
        var document: TopologyDocument
        var number: NodeNumber
        var acceptDataLoss: Bool
    }

    private struct FailoverFailure: Error {
        var code: String
        var detail: String
    }

    /// On a thread of its own: it waits for peers.
    private func run(_ failover: Failover) {
        do throws(FailoverFailure) {
            try look(failover)
            let reign = nextReign(failover)
            let (promises, furthest) = try collectPromises(reign, failover)
            let decision = FailoverDecision(
                replicas: failover.document.replicas.count,
                minInSyncReplicas: failover.document.minInSyncReplicas, promises: promises)
            if !failover.acceptDataLoss, let risk = decision.risk {
                throw FailoverFailure(code: "data-loss-possible", detail: risk)
            }
            if let furthest { try takeTail(from: furthest, failover) }
            try reignNow(reign, failover)
        } catch {
            tracker.failLocal(failover.operation.id, code: error.code, detail: error.detail)
            log(.error, "failover failed", ["code": error.code, "detail": error.detail])
            waits.poke()
        }
    }

    /// Asks everybody before anybody promises: a promise that leads to nothing holds up the cluster.
    private func look(_ failover: Failover) throws(FailoverFailure) {
        let askedAt = UnixMilliseconds.now()
        peers.pokeAll()
        let deadline = MonotonicTime.now() + Node.promiseTimeout
        let others = failover.document.nodes.filter { $0.number != failover.number }
        func heard(_ record: NodeRecord) -> PeerObservation? {
            peers.observation(of: record.number).flatMap { $0.askedAt >= askedAt ? $0 : nil }
        }
        let pause = Monitor(())
        while MonotonicTime.now() < deadline, !others.allSatisfy({ heard($0) != nil }) {
            _ = pause.wait(until: .now() + .milliseconds(10)) { _ -> Void? in nil }
        }
        let reachable = others.count { heard($0)?.isReachable ?? false }
        let decision = FailoverDecision(
            replicas: failover.document.replicas.count,
            minInSyncReplicas: failover.document.minInSyncReplicas, promises: reachable + 1)
        if !failover.acceptDataLoss, let risk = decision.risk {
            throw FailoverFailure(code: "data-loss-possible", detail: risk)
        }
    }

    private func nextReign(_ failover: Failover) -> Reign {
        Reign(term: highestTerm(failover.document) + 1, holder: failover.number)
    }

    /// The highest term that this node has heard of, promised ones included.
    func highestTerm(_ document: TopologyDocument) -> UInt32 {
        var term = max(
            document.reign.term, state.facts.promised?.term ?? 0,
            state.engine?.state.header.reign.term ?? 0)
        for record in document.nodes {
            let status = peers.observation(of: record.number)?.status
            term = max(term, status?.document?.reign.term ?? 0, status?.promised?.term ?? 0)
        }
        return term
    }

    /// - Returns: How many have promised, this node among them, and the one of them that is
    ///   furthest ahead of it.
    private func collectPromises(
        _ reign: Reign, _ failover: Failover
    ) throws(FailoverFailure) -> (count: Int, furthest: NodeRecord?) {
        tracker.enterLocal(failover.operation.id, "promises")
        let own = Monitor<Result<Position, PromiseRefusal>?>(nil)
        promise(reign) { answer in own.update { $0 = answer } }
        guard
            case .success(let position)?? = own.wait(until: .now() + .seconds(10), { $0 }).map(
                Optional.some)
        else {
            throw FailoverFailure(code: "reign-contested", detail: "this node knows a higher reign")
        }
        let others = failover.document.nodes.filter { $0.number != failover.number }
        let answers = Monitor<[NodeNumber: Result<Position, PeerError>]>([:])
        for record in others { askPromise(reign, of: record, answers) }
        let deadline = MonotonicTime.now() + Node.promiseTimeout
        let heard =
            answers.wait(until: deadline) { $0.count == others.count ? $0 : nil }
            ?? answers.withLock { $0 }
        var furthest: (record: NodeRecord, index: LogIndex)?
        var count = 1
        for record in others {
            switch heard[record.number] {
            case .success(let theirs):
                count += 1
                if theirs.index > max(position.index, furthest?.index ?? .zero) {
                    furthest = (record, theirs.index)
                }
            case .failure(.refused(let problem)) where problem.code == "reign-contested":
                throw FailoverFailure(code: problem.code, detail: problem.detail)
            case .failure, nil:
                continue
            }
        }
        return (count, furthest?.record)
    }

    private func askPromise(
        _ reign: Reign, of record: NodeRecord,
        _ answers: Monitor<[NodeNumber: Result<Position, PeerError>]>
    ) {
        let client = PeerClient(
            address: record.address, identity: { self.state.identity }, signing: signing)
        _ = WorkerThread(name: "promise", stackBytes: 512 << 10) {
            let answer: Result<Position, PeerError>
            do throws(PeerError) {
                let body = try client.call(
                    "POST", "/replication/promise", body: ["reign": .string("\(reign)")],
                    deadlines: FetchDeadlines(
                        connect: Node.promiseTimeout, total: Node.promiseTimeout))
                guard let position = Position(json: body["position"]) else {
                    throw PeerError.badAnswer("no position in the promise")
                }
                answer = .success(position)
            } catch {
                answer = .failure(error)
            }
            answers.update { $0[record.number] = answer }
        }
    }

    private func takeTail(
        from record: NodeRecord, _ failover: Failover
    ) throws(FailoverFailure) {
        tracker.enterLocal(failover.operation.id, "tail")
        do throws(PeerError) {
            let entries = try fetchTail(from: record)
            log(
                .info, "took the missing tail",
                ["node": record.name.rawValue, "entries": "\(entries)"])
        } catch {
            if failover.acceptDataLoss { return }
            throw FailoverFailure(
                code: "tail-missing",
                detail: "\(record.name) has entries that this node lacks, and: \(error.detail)")
        }
    }

    /// Applies what a peer has beyond this node. Blocks; not on the control loop.
    func fetchTail(from record: NodeRecord) throws(PeerError) -> UInt64 {
        guard let engine = state.engine else { return 0 }
        let client = PeerClient(
            address: record.address, identity: { self.state.identity }, signing: signing)
        let session = state.beginSession()
        return try TailFetch.run(
            client, after: engine.state.position, until: .now() + Node.tailTimeout
        ) { [state] records, encoded throws(EngineError) in
            try state.apply(session, engine, records, encoded)
        }
    }

    private func reignNow(_ reign: Reign, _ failover: Failover) throws(FailoverFailure) {
        tracker.enterLocal(failover.operation.id, "reign")
        let outcome = Monitor<Bool?>(nil)
        control.enqueue { [self] in
            let isHolder = state.facts.promised == reign && state.committer == nil
            let done = isHolder && takeReign(reign, failover.operation)
            outcome.update { $0 = done }
        }
        guard outcome.wait(until: .now() + .seconds(30), { $0 }) == true else {
            throw FailoverFailure(
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
    private func takeReign(_ reign: Reign, _ operation: OperationRecord) -> Bool {
        guard let engine = state.engine, reign > engine.state.header.reign else { return false }
        if case .replica(let session?) = state.role { session.stop() }
        _ = state.beginSession()
        return openReign(
            engine, reign,
            ChangeTopology(
                changedBy: operation.createdBy, reason: operation.reason, operation: operation
            ) { document, _, note in
                document.movingPrimary(to: reign.holder, reign: reign, note: note)
            })
    }

    // MARK: - Fork

    /// A detached node becomes the primary of a cluster of its own: with a new lineage, so that it
    /// can never outrank the cluster that it came from.
    private func fork(_ engine: Engine, _ number: NodeNumber, _ operation: OperationRecord) {
        let done = Monitor<String?>(nil)
        control.enqueue { [self] in
            let failure = forkNow(engine, number, operation)
            done.update { $0 = failure ?? "" }
        }
        let failure = done.wait(until: .now() + .seconds(30)) { $0 } ?? "no answer in 30 s"
        if failure.isEmpty {
            tracker.endLocal(operation.id)
        } else {
            tracker.failLocal(operation.id, code: "fork-failed", detail: failure)
        }
        waits.poke()
    }

    /// - Returns: What went wrong; nil when it is done.
    private func forkNow(
        _ engine: Engine, _ number: NodeNumber, _ operation: OperationRecord
    ) -> String? {
        if case .replica(let session?) = state.role { session.stop() }
        _ = state.beginSession()
        let lineage = Lineage.random()
        let known = max(
            state.document?.reign.term ?? 0, engine.state.header.reign.term,
            state.facts.promised?.term ?? 0)
        let reign = Reign(term: known + 1, holder: number)
        do {
            // Known before the entry is written: a crash in between must not orphan the state.
            try state.factsFile.change { $0.forking = lineage }
        } catch {
            return "cannot write node.json: \(error)"
        }
        var ended = operation
        ended.state = .succeeded
        ended.finishedAt = .now()
        let founder = NodeRecord(number: number, name: name, address: options.address)
        let isOpen = openReign(
            engine, reign, Fork(lineage: lineage, reign: reign, founder: founder, operation: ended))
        guard isOpen else { return "the entry could not be written" }
        do {
            try state.factsFile.change {
                $0.lineage = lineage
                $0.forking = nil
                $0.document = nil
                $0.promised = nil
            }
        } catch {
            return "cannot write node.json: \(error)"
        }
        log(.warning, "forked: a cluster of its own", ["lineage": lineage.hex])
        return nil
    }
}
