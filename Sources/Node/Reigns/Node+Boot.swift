import Engine
import Log
import Platform
import Replication
import Topology

/// A former primary after its restart, or after a promise that came to nothing: it bids for a reign
/// that nobody held before.
extension Node {
    /// On the control loop.
    func decideAfterBoot(_ completeness: Completeness) {
        guard state.engine != nil, let document = state.document, let number = state.facts.number
        else { return }
        guard state.ownRole(in: document) == .primary else {
            // A newer document came meanwhile: somebody else reigns.
            return state.setRole(.replica(nil), isFenced: true)
        }
        let decision = BootDecision(
            document: document,
            peers: peers.bootAnswers(document, except: number, lineage: state.lineage),
            isComplete: completeness.isComplete, waited: state.inRoleFor,
            recoverTimeout: options.recoverTimeout)
        switch decision.action() {
        case .wait:
            noteMissing(decision)
        case .follow:
            // Its document was learned with its answer; the next beat follows it.
            state.setRole(.replica(nil), isFenced: true)
        case .bid(let unconfirmed):
            guard tracker.beginBid() else { return }
            _ = WorkerThread(name: "bid") { [self] in
                bidAfterBoot(document, number, unconfirmed: unconfirmed)
                tracker.endBid()
                control.poke()
            }
        }
    }

    /// Says what a node waits for that may not open a reign alone.
    private func noteMissing(_ decision: BootDecision) {
        let promises = decision.promises
        guard decision.waited >= BootDecision.courtesy, decision.document.minInSyncReplicas > 0,
            !promises.isExclusive, state.failure?.code != "promises-missing"
        else { return }
        note(code: "promises-missing", detail: Node.missing(promises, silent(decision.document)))
    }

    private static func missing(_ promises: FailoverDecision, _ silent: [String]) -> String {
        "\(promises.promises) of the \(promises.promisesNeeded) nodes answer that must promise before this one may reign again: start \(silent.joined(separator: " or ")), or fail over with accept_data_loss"
    }

    /// Who does not answer, by name.
    private func silent(_ document: TopologyDocument) -> [String] {
        guard let number = state.facts.number else { return [] }
        return document.peers(of: number)
            .filter { !(peers.observation(of: $0.number)?.isReachable ?? false) }
            .map(\.name.rawValue)
    }

    private func note(code: String, detail: String) {
        state.note(NodeReport.Failure(code: code, detail: detail, at: .now()))
        log(.warning, "opens no reign yet", ["code": code, "detail": detail])
        waits.poke()
    }

    private static let bidPauseMax: Duration = .seconds(5)

    /// On a thread that may wait.
    private func bidAfterBoot(
        _ document: TopologyDocument, _ number: NodeNumber, unconfirmed: Bool
    ) {
        do throws(Bid.Failure) {
            try checkForTwin(document, number)
            let bid = try makeBid(document, number)
            let promises = try collectPromises(bid)
            let decision = bid.decision(promises: promises.count)
            guard document.minInSyncReplicas == 0 || decision.isExclusive else {
                throw Bid.Failure(
                    code: "promises-missing", detail: Node.missing(decision, silent(document)))
            }
            if let furthest = promises.furthest { try takeTail(from: furthest, for: bid) }
            try checkNobodyIsAhead(bid, promises)
            guard hasApplied(bid.document) else { throw Bid.Failure.lacks(bid.document) }
            let isOpen = control.run(within: .seconds(10)) { [self] in
                guard case .undecided = state.role, stands(bid), let engine = state.engine,
                    hasApplied(bid.document)
                else { return false }
                return openReignAfterBoot(engine, bid, unconfirmed: unconfirmed)
            }
            guard isOpen == true else {
                throw Bid.Failure(
                    code: "reign-contested", detail: "a higher reign was heard of meanwhile")
            }
        } catch {
            note(code: error.code, detail: error.detail)
            // Each bid is a promise on every disk: those that cannot help themselves come seldom.
            let pause = min(
                Duration.seconds(1 << min(tracker.countFailedBid(), 3)), Node.bidPauseMax)
            _ = Monitor(()).wait(until: .now() + pause) { _ -> Void? in nil }
        }
    }

    /// A copy of a data directory would depose the node that it was copied from. It is known by its place:
    /// at the address that the topology has for this node another process answers with its name and
    /// number. Blocks, for ``lookTimeout`` at most.
    private func checkForTwin(
        _ document: TopologyDocument, _ number: NodeNumber
    ) throws(Bid.Failure) {
        guard let record = document.node(numbered: number), record.address != options.address,
            let status = try? look(at: record.address, name: name, discardData: true),
            status.lineage == state.lineage, status.number == number,
            let process = status.process, process != processID
        else { return }
        throw Bid.Failure(
            code: "twin-running",
            detail:
                "another process is \(name) of this cluster, at \(record.address.url): this data directory is a copy of its, or the other way round. Stop one of the two, and remove its data"
        )
    }

    /// A node that is known to have more, and has not promised, must be heard first.
    private func checkNobodyIsAhead(_ bid: Bid, _ promises: PromiseTally) throws(Bid.Failure) {
        guard let own = state.engine?.state.header.extent else { return }
        for record in bid.others where !promises.hasPromised(record.number) {
            guard let status = peers.observation(of: record.number)?.status,
                status.lineage == state.lineage, status.extent > own
            else { continue }
            throw Bid.Failure(
                code: "tail-missing",
                detail:
                    "\(record.name) has entries that this node lacks, up to \(status.extent), and does not answer: start it, or fail over with accept_data_loss"
            )
        }
    }

    /// Becomes primary again, in a reign that was never held before. On the control loop.
    private func openReignAfterBoot(_ engine: Engine, _ bid: Bid, unconfirmed: Bool) -> Bool {
        let address = options.address
        let change = ChangeTopology(changedBy: "system", reason: "restart of the primary") {
            current, _, note in
            current.movingPrimary(to: bid.number, reign: bid.reign, note: note).flatMap { moved in
                guard case .changed(let next) = moved,
                    next.node(numbered: bid.number)?.address != address,
                    case .success(.changed(let addressed)) = next.updating(
                        bid.number, address: address, note: note)
                else { return .success(moved) }
                return .success(.changed(addressed))
            }
        }
        guard openReign(engine, bid.reign, change) else { return false }
        state.isUnconfirmed = unconfirmed
        return true
    }
}
