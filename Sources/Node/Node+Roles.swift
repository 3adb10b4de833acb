import Engine
import Log
import Platform
import Replication
import Topology

/// The reconciler: compares what is configured with what runs, and acts until they agree. Everything
/// here is on the control loop, at every change and at every beat, so that a step that failed is
/// tried again without a new command.
extension Node {
    func reconcile(_ completeness: Completeness) {
        if state.isDraining { return }
        switch state.role {
        case .undecided: decideAfterBoot(completeness)
        case .primary(let committer): reconcilePrimary(committer)
        case .replica(let session): reconcileReplica(session)
        }
        if let document = state.document {
            source.enforce(document)
            peers.watch(document, except: state.facts.number, by: self)
        }
        tracker.evaluate(self)
    }

    private func reconcilePrimary(_ committer: Committer) {
        guard let document = state.document else { return }
        guard document.reign > committer.reign else {
            return outgrowPromises(committer, document)
        }
        log(
            .warning, "another node reigns; this one gives up the right to append",
            ["reign": "\(document.reign)", "own": "\(committer.reign)"])
        // Its last group may still be on its way to the disk: then the next beat asks again.
        guard committer.stop(until: .now() + .seconds(5)) else { return }
        state.setRole(.replica(nil), isFenced: true)
    }

    private func reconcileReplica(_ session: ReplicaSession?) {
        guard let document = state.document, let number = state.facts.number else { return }
        switch document.role(of: number) {
        case .replica(let configured):
            // Promised to a higher reign, whose document is on its way.
            guard mayFollow(document) else { return }
            let upstreamNumber = state.claimedUpstream(document) ?? configured
            guard let upstream = document.node(numbered: upstreamNumber) else { return }
            if let session, session.upstream == upstream { return }
            session?.stop()
            follow(upstream, reason: fullSyncReason)
        case nil:
            noteRemoval(document)
            guard session != nil || state.isFenced else { return }
            session?.stop()
            _ = state.beginSession()
            source.endAll(reason: "this node was removed from the topology")
            state.setRole(.replica(nil))
            log(
                .warning, "detached: this node is not in the topology any more",
                ["generation": "\(document.generation)"])
        case .primary:
            reconsiderReign(document, number)
        }
    }

    /// This node is configured as primary and is not: it has promised to another, or given up. When
    /// nothing came of that promise, it asks around and opens a higher reign.
    private func reconsiderReign(_ document: TopologyDocument, _ number: NodeNumber) {
        guard state.engine != nil else { return }
        if let promised = state.facts.promised, promised.holder != number, promised > document.reign
        {
            let waited =
                UnixMilliseconds.now().rawValue
                - min(
                    state.since.rawValue, UnixMilliseconds.now().rawValue)
            guard waited >= UInt64(Node.promisePatience.wholeMilliseconds),
                let holder = peers.observation(of: promised.holder), holder.isReachable
            else { return }
        }
        state.setRole(.undecided)
        log(.warning, "no other node reigns; asking around", ["reign": "\(document.reign)"])
    }

    /// How long a promise keeps this node from reigning when nothing comes of it.
    static let promisePatience: Duration = .seconds(5)

    /// Replicas that have promised a higher reign follow this node no more. When nothing came of the
    /// promise, this node opens a reign above it.
    private func outgrowPromises(_ committer: Committer, _ document: TopologyDocument) {
        let isHeldUp = document.nodes.contains { record in
            guard let seen = peers.observation(of: record.number), seen.isReachable,
                let status = seen.status, let promised = status.promised
            else { return false }
            return promised > committer.reign
                && (status.document.map { $0.version <= document.version } ?? true)
        }
        guard isHeldUp else { return heldUp.withLock { $0 = nil } }
        let now = MonotonicTime.now()
        let since = heldUp.withLock { since in
            since = since ?? now
            return since ?? now
        }
        guard now - since >= Node.promisePatience else { return }
        heldUp.withLock { $0 = nil }
        guard committer.stop(until: .now() + .seconds(5)) else { return }
        state.setRole(.undecided)
        log(
            .warning, "replicas have promised a reign that nobody opened; opening a higher one",
            ["reign": "\(committer.reign)"])
    }

    /// Why a node that serves nothing takes a full sync; nil when its own position may do.
    private var fullSyncReason: FullSyncReason? {
        if state.engine != nil { return nil }
        return state.foreign == nil ? .empty : .historyDiverged
    }

    private func noteRemoval(_ document: TopologyDocument) {
        guard state.failure?.code != "not-in-topology" else { return }
        state.note(
            NodeReport.Failure(
                code: "not-in-topology",
                detail:
                    "generation \(document.generation) of reign \(document.reign) does not have this node",
                at: .now()))
    }

    /// Begins a session with `upstream`; an earlier one is void from here on.
    func follow(_ upstream: NodeRecord, reason: FullSyncReason?) {
        let number = state.beginSession()
        let session = ReplicaSession(
            number: number, upstream: upstream, environment: replicaEnvironment(),
            forcedReason: reason)
        state.setRole(.replica(session))
        state.note(nil)
        session.start()
        log(
            .info, "following",
            ["upstream": upstream.name.rawValue, "address": upstream.address.url])
    }

    private func decideAfterBoot(_ completeness: Completeness) {
        guard let engine = state.engine, let document = state.document,
            let number = state.facts.number
        else { return }
        guard document.role(of: number) == .primary else {
            // A newer document came meanwhile: somebody else reigns.
            return state.setRole(.replica(nil), isFenced: true)
        }
        let decision = BootDecision(
            own: document.version, last: engine.state.position.index,
            peers: bootAnswers(document, number),
            isComplete: completeness.isComplete, waited: undecidedFor,
            recoverTimeout: options.recoverTimeout)
        switch decision.action() {
        case .wait:
            return
        case .follow:
            // Its document was learned with its answer; the next beat follows it.
            state.setRole(.replica(nil), isFenced: true)
        case .takeTail(let peer):
            guard let record = document.node(numbered: peer), tracker.beginTail() else { return }
            _ = WorkerThread(name: "tail") { [self] in
                let isAlike = takeTailAfterBoot(from: record)
                tracker.endTail(unlike: isAlike ? nil : peer)
                control.poke()
            }
        case .openReign(let unconfirmed):
            openReignAfterBoot(engine, document, number, unconfirmed: unconfirmed)
        }
    }

    /// What every peer said; entries of another history do not count as ahead.
    private func bootAnswers(
        _ document: TopologyDocument, _ number: NodeNumber
    ) -> [NodeNumber: BootDecision.Peer?] {
        var answers = peers.bootAnswers(document, except: number, lineage: state.facts.lineage)
        for peer in answers.keys where tracker.isUnlike(peer) { answers[peer]??.position = nil }
        return answers
    }

    private var undecidedFor: Duration {
        let now = UnixMilliseconds.now().rawValue
        return .milliseconds(Int64(now - min(now, state.since.rawValue)))
    }

    /// Takes what a replica has of this history and this node lost. On a thread that may wait.
    ///
    /// - Returns: False when its further entries are of another history.
    private func takeTailAfterBoot(from record: NodeRecord) -> Bool {
        do throws(PeerError) {
            let entries = try fetchTail(from: record)
            log(
                .warning, "took entries that this node had lost",
                ["node": record.name.rawValue, "entries": "\(entries)"])
            return true
        } catch {
            state.note(NodeReport.Failure(code: error.code, detail: error.detail, at: .now()))
            return error.code != "history-diverged"
        }
    }

    /// Becomes primary again, in a reign that was never held before.
    private func openReignAfterBoot(
        _ engine: Engine, _ document: TopologyDocument, _ number: NodeNumber, unconfirmed: Bool
    ) {
        let reign = Reign(term: highestTerm(document) + 1, holder: number)
        let address = options.address
        let change = ChangeTopology(changedBy: "system", reason: "restart of the primary") {
            current, _, note in
            current.movingPrimary(to: number, reign: reign, note: note).flatMap { moved in
                guard case .changed(let next) = moved,
                    next.node(numbered: number)?.address != address,
                    case .success(.changed(let addressed)) = next.updating(
                        number, address: address, note: note)
                else { return .success(moved) }
                return .success(.changed(addressed))
            }
        }
        if openReign(engine, reign, change) { state.isUnconfirmed = unconfirmed }
    }

    /// Becomes primary by a synced entry that opens `reign`. On the control loop.
    ///
    /// - Returns: Whether it did.
    func openReign(_ engine: Engine, _ reign: Reign, _ opening: some Change) -> Bool {
        let committer = Committer(engine: engine, reign: reign)
        guard case .success = committer.commit(opening, until: .now() + .seconds(30)) else {
            log(.error, "could not open a reign", ["reign": "\(reign)"])
            committer.stop(until: .now() + .seconds(5))
            return false
        }
        do {
            try engine.log.sync()
        } catch {
            options.engine.stopProcess("cannot sync the entry that opens reign \(reign): \(error)")
        }
        state.isUnconfirmed = false
        state.setRole(.primary(committer))
        state.note(nil)
        control.poke()
        log(.info, "opened a reign", ["reign": "\(reign)"])
        return true
    }
}
