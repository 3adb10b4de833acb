public import Engine
import Log
import Platform
import Replication
public import Topology

/// Why a planned switchover does not begin. Nothing was changed.
public enum SwitchoverRefusal: Error, Sendable {
    /// This node cannot begin it; what to do instead.
    case change(ChangeFailure)
    /// `from` is not the primary: whoever asks has an old picture of the cluster.
    case notFrom(primary: NodeName)
    case unknownNode(NodeName)
    case alreadyPrimary(NodeName)
    /// Each rule that forbids the candidate, with its evidence.
    case vetoed(NodeName, [ChangePlan.Finding])
    /// No replica could take over now; what forbids each.
    case noCandidate([ChangePlan.Finding])
    case busy
}

/// A planned change of the primary, which loses nothing:
///
///     catch up ──▶ hold writes ──▶ the candidate has everything ──▶ handover entry ──▶ the candidate reigns
///
/// Up to the handover entry it can be given up, and writes go on; that entry is this node's last, and
/// grants the next reign. Writes that wait are then sent on to the new primary.
extension Node {
    /// The least and the most that `timeout` may be, and what it is unless said otherwise.
    public static let switchoverTimeouts: ClosedRange<Duration> =
        .milliseconds(100) ... .seconds(60)
    public static let switchoverTimeout: Duration = .seconds(10)
    /// Writes are held no longer than this, whatever the timeout.
    static let holdMax: Duration = .seconds(5)
    /// A candidate without a link for so long is not waited for.
    private static let heirGoneAfter: Duration = .milliseconds(500)

    /// Begins to hand over to `candidate`, or to the replica that is furthest.
    public func switchOver(
        from: NodeName, to candidate: NodeName?, timeout: Duration,
        operationID: String = Node.newOperationID(), changedBy: String, reason: String?,
        credential: Credential? = nil,
        completion: @escaping @Sendable (Result<OperationRecord, SwitchoverRefusal>) -> Void
    ) {
        let heir: NodeRecord
        do throws(SwitchoverRefusal) {
            heir = try self.heir(from: from, to: candidate)
        } catch {
            return completion(.failure(error))
        }
        guard let committer = state.committer else {
            return completion(.failure(.change(notPrimaryFailure())))
        }
        let operation = OperationRecord(
            id: operationID, type: "switchover", state: .running,
            subject: heir.name.rawValue, createdAt: .now(), createdBy: changedBy, reason: reason)
        guard tracker.beginSwitchover(operation.id) else { return completion(.failure(.busy)) }
        let deadline = MonotonicTime.now() + timeout
        submit(PutOperation(operation), by: credential, needsSpace: false) { [self] result in
            switch result {
            case .success:
                completion(.success(operation))
                _ = WorkerThread(name: "switchover") { [self] in
                    run(
                        Switchover(
                            operation: operation, heir: heir, committer: committer,
                            deadline: deadline))
                }
            case .failure(let failure):
                tracker.endSwitchover()
                completion(.failure(.change(failure)))
            }
        }
    }

    /// Who takes over: the one asked for, or the one that is furthest of those that may.
    func heir(
        from: NodeName, to candidate: NodeName?
    ) throws(SwitchoverRefusal) -> NodeRecord {
        guard state.committer != nil, let document = state.document else {
            throw .change(notPrimaryFailure())
        }
        guard from == name else { throw .notFrom(primary: name) }
        let reports = self.reports()
        if let candidate {
            guard candidate != name else { throw .alreadyPrimary(candidate) }
            guard let record = document.node(named: candidate),
                let report = reports.first(where: { $0.name == candidate.rawValue })
            else { throw .unknownNode(candidate) }
            let vetoes = self.vetoes(against: record, report, document)
            guard vetoes.isEmpty else {
                throw .vetoed(candidate, vetoes.map { report.finding(of: $0) })
            }
            return record
        }
        var able: [NodeReport] = []
        var vetoes: [ChangePlan.Finding] = []
        for report in reports where report.name != name.rawValue {
            guard let record = NodeName(report.name).flatMap({ document.node(named: $0) }) else {
                continue
            }
            let found = self.vetoes(against: record, report, document)
            if found.isEmpty { able.append(report) }
            vetoes += found.map { report.finding(of: $0) }
        }
        let best = able.max { ($0.position?.index ?? .zero) < ($1.position?.index ?? .zero) }
        guard let best = best.flatMap({ NodeName($0.name) }).flatMap({ document.node(named: $0) })
        else { throw .noCandidate(vetoes) }
        return best
    }

    private struct Switchover: Sendable {
        let operation: OperationRecord
        let heir: NodeRecord
        let committer: Committer
        let deadline: MonotonicTime
    }

    private struct Abort: Error {
        var state = OperationRecord.State.failed
        var code: String
        var detail: String
    }

    /// On a thread of its own: it waits for the candidate.
    private func run(_ switchover: Switchover) {
        defer { tracker.endSwitchover() }
        do throws(Abort) {
            enter("catch-up", switchover, until: switchover.deadline)
            try awaitHeir(switchover, until: switchover.deadline)
            let heldAt = MonotonicTime.now()
            let holdEnds = min(switchover.deadline, heldAt + Node.holdMax)
            enter("hold", switchover, until: holdEnds)
            state.isHandingOver = true
            waits.poke()
            guard switchover.committer.hold(until: holdEnds) else {
                throw Abort(code: "not-primary", detail: "this node is not primary any more")
            }
            try awaitHeir(switchover, until: holdEnds)
            enter("handover", switchover, until: holdEnds)
            try handOver(switchover, heldAt: heldAt)
            enter("spread", switchover, until: nil)
            peers.pokeAll()
            log(.warning, "handed over", ["to": switchover.heir.name.rawValue])
        } catch {
            state.isHandingOver = false
            switchover.committer.release()
            log(.warning, "switchover given up", ["code": error.code, "detail": error.detail])
            endAborted(switchover, error)
        }
    }

    private func enter(_ step: String, _ switchover: Switchover, until deadline: MonotonicTime?) {
        tracker.enter(switchover.operation.id, step, deadline: deadline)
    }

    /// Waits until the candidate has applied all that is in the log, and as many replicas as writes
    /// wait for.
    private func awaitHeir(
        _ switchover: Switchover, until deadline: MonotonicTime
    ) throws(Abort) {
        guard let engine = state.engine else { return }
        let target = engine.state.position.index
        let needed = state.document?.minInSyncReplicas ?? 0
        source.askForReports(of: target)
        let pause = Monitor(())
        var unheardSince: MonotonicTime?
        while true {
            let heir = switchover.heir
            guard case .replica = state.document?.role(of: heir.number) else {
                throw Abort(
                    code: "candidate-removed",
                    detail:
                        "\(heir.name) was taken out of the topology meanwhile; \(name) stays primary, and writes go on"
                )
            }
            let found = source.applied(by: heir.number)
            let applied = found ?? .zero
            // By looks, as this thread may have stood still between two of them.
            let lookedAt = MonotonicTime.now()
            unheardSince = found == nil ? unheardSince ?? lookedAt : nil
            guard lookedAt - (unheardSince ?? lookedAt) < Node.heirGoneAfter else {
                throw Abort(
                    code: "candidate-gone",
                    detail:
                        "\(heir.name) has no link any more; \(name) stays primary, and writes go on"
                )
            }
            tracker.note(switchover.operation.id, applied: applied, of: target)
            if applied >= target, source.acked(atLeast: target, durable: false) >= needed { return }
            if tracker.canceller(of: switchover.operation.id) != nil {
                throw Abort(
                    state: .cancelled, code: "cancelled", detail: "cancelled before the handover")
            }
            guard state.committer === switchover.committer else {
                throw Abort(code: "not-primary", detail: "this node is not primary any more")
            }
            guard MonotonicTime.now() < deadline else {
                throw Abort(
                    code: "switchover-timeout",
                    detail:
                        "\(heir.name) stood at \(applied) of \(target) when the time was over; nothing was changed, and writes go on"
                )
            }
            _ = pause.wait(until: .now() + .milliseconds(2)) { _ -> Void? in nil }
        }
    }

    /// The point of no return, on the control loop: no other change of the role comes in between.
    private func handOver(
        _ switchover: Switchover, heldAt: MonotonicTime
    ) throws(Abort) {
        let heir = switchover.heir.number
        let outcome = control.run(within: .seconds(2)) { [self] () -> Abort? in
            guard state.committer === switchover.committer, let engine = state.engine,
                let document = state.document
            else { return Abort(code: "not-primary", detail: "this node is not primary any more") }
            guard tracker.closeSwitchover(switchover.operation.id) else {
                return Abort(
                    state: .cancelled, code: "cancelled", detail: "cancelled before the handover")
            }
            guard let term = NextTerm.above(highestTerm(document)) else {
                return Abort(
                    code: "terms-exhausted", detail: NextTerm.exhausted(highestTerm(document)))
            }
            let reign = Reign(term: term, holder: heir)
            // The new primary ends it, and adds its part.
            var operation = switchover.operation
            let result = SwitchoverResult(
                from: name.rawValue, to: operation.subject, held: .now() - heldAt)
            operation.result = OperationResult.text(
                result.text, with: tracker.steps(of: operation.id))
            let change = ChangeTopology(
                changedBy: operation.createdBy, reason: operation.reason, operation: operation,
                isHandover: true
            ) { current, _, note in
                current.movingPrimary(to: heir, reign: reign, note: note)
            }
            if case .failure(let failure) = switchover.committer.handOver(change) {
                return Abort(code: "handover-refused", detail: "\(failure)")
            }
            do {
                try engine.log.sync()
            } catch {
                options.engine.stopProcess("cannot sync the handover to \(heir): \(error)")
            }
            switchover.committer.stop(until: .now() + .seconds(5))
            state.isHandingOver = false
            state.setRole(.replica(nil))
            control.poke()
            return nil
        }
        switch outcome {
        case .some(nil): return
        case .some(.some(let abort)): throw abort
        case nil: throw Abort(code: "busy", detail: "the node was too busy to hand over")
        }
    }

    private func endAborted(_ switchover: Switchover, _ abort: Abort) {
        var ended = switchover.operation
        ended.state = abort.state
        ended.finishedAt = .now()
        ended.errorCode = abort.code
        ended.errorDetail = abort.detail
        let step = OperationResult.ended(at: tracker.end(ended.id, abort.state))
        ended.result = OperationResult.text(step, with: tracker.steps(of: ended.id))
        let end = PutOperation(
            ended, author: abort.state == .cancelled ? tracker.canceller(of: ended.id)?.author : nil
        )
        submit(end, needsSpace: false) { [self, ended] result in
            // Whoever reigns now may not have heard that it began: this node tells how it ended.
            if case .failure = result { keepLocal(ended) }
            waits.poke()
        }
    }

    private func vetoes(
        against record: NodeRecord, _ report: NodeReport, _ document: TopologyDocument
    ) -> [NodeReport.Veto] {
        let isLinked = source.links().contains {
            $0.replica == record.number && $0.state == .streaming
        }
        return SwitchoverRule.vetoes(
            report, document.role(of: record.number), isLinked: isLinked)
    }

    // MARK: - The candidate's side

    /// Takes the reign that the last topology entry grants this node, when it has just applied it. A
    /// reign is taken once: that is on disk before anything is appended in it.
    ///
    /// - Returns: Whether it did. On the control loop.
    func takeHandover(_ document: TopologyDocument, _ number: NodeNumber) -> Bool {
        guard let engine = state.engine, let granted = engine.state.catalog.topology,
            granted.version == document.version,
            grants(granted, to: number, after: engine.state.header.reign)
        else { return false }
        if case .replica(let session?) = state.role { session.stop() }
        _ = state.beginSession()
        do {
            try state.factsFile.change { $0.promised = granted.reign }
            try engine.log.sync()
        } catch {
            log(.error, "cannot take the reign that was handed over", ["error": "\(error)"])
            return false
        }
        state.isUnconfirmed = false
        state.setRole(.primary(Committer(engine: engine, reign: granted.reign)))
        state.note(nil)
        if let appliedAt = topologyAppliedAt.withLock({ $0 }) {
            tracker.noteTakeOver(.now() - appliedAt)
        }
        peers.pokeAll()
        control.poke()
        log(.info, "took over", ["reign": "\(granted.reign)"])
        return true
    }
}

/// What forbids a node to take over as planned. Pure.
enum SwitchoverRule {
    /// `isLinked`: whether it streams by the word of its upstream, which is newer than what it told.
    static func vetoes(
        _ report: NodeReport, _ role: ConfiguredRole?, isLinked: Bool
    ) -> [NodeReport.Veto] {
        var vetoes = report.vetoes
        guard case .replica = role else {
            return vetoes + [.init(code: "no-replica", detail: "the node is no replica")]
        }
        if !isLinked, let state = report.running?.state, state != .streaming,
            !vetoes.contains(where: { ["full-sync", "diverged"].contains($0.code) })
        {
            vetoes.append(
                .init(code: "not-streaming", detail: "its link is \(state.rawValue)"))
        }
        return vetoes
    }
}
