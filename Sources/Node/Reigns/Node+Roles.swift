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
            noteDocument(document)
            source.enforce(document)
            peers.watch(document, except: state.facts.number, by: self)
        }
        tracker.evaluate(self)
        answerParked()
    }

    private func reconcilePrimary(_ committer: Committer) {
        guard let document = state.document else { return }
        guard document.reign > committer.reign else {
            noteHeardTopology()
            return outgrowPromises(committer, document)
        }
        log(
            .warning, "another node reigns; this one gives up the right to append",
            ["reign": "\(document.reign)", "own": "\(committer.reign)"])
        // Its last group may still be on its way to the disk: then the next beat asks again.
        guard committer.stop(until: .now() + .seconds(5)) else { return }
        state.setRole(.replica(nil), isFenced: true)
    }

    /// Writes down which changes of the topology are known widely enough, so that the next primary
    /// need not find that out again, perhaps from nodes that are silent then.
    private func noteHeardTopology() {
        guard let heard = source.heardGeneration, let catalog = state.engine?.state.catalog,
            catalog.heardGeneration.map({ $0 < heard }) ?? true
        else { return }
        submit(NoteHeardGeneration(heard), needsSpace: false) { [self] outcome in
            guard case .success = outcome else { return }
            log(.info, "the topology is known widely enough", ["generation": "\(heard)"])
        }
    }

    private func reconcileReplica(_ session: ReplicaSession?) {
        guard let document = state.document, let number = state.facts.number else { return }
        switch state.ownRole(in: document) {
        case .replica(let configured):
            // Promised to a higher reign, whose document is on its way.
            guard mayFollow(document) else { return }
            let upstreamNumber = state.claimedUpstream(document) ?? configured
            guard let upstream = document.node(numbered: upstreamNumber) else { return }
            if let session, session.upstream == upstream, !session.isStopped { return }
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
            if takeHandover(document, number) || awaitsHandover(document, session) { return }
            // Its entry may have come between the two looks.
            if takeHandover(document, number) { return }
            reconsiderReign(document, number)
        }
    }

    /// This node is configured as primary and is not: it has promised to another, or given up. When
    /// nothing came of that promise, it asks around and opens a higher reign.
    private func reconsiderReign(_ document: TopologyDocument, _ number: NodeNumber) {
        guard state.engine != nil else { return }
        // A holder that has left the topology opens no reign any more.
        if let promised = state.facts.promised, promised.holder != number,
            promised > document.reign, document.role(of: promised.holder) != nil
        {
            guard state.inRoleFor >= Node.promisePatience,
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
        if state.engine != nil { return tracker.wantsResync ? .requested : nil }
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
        state.directory.dropInterrupted()
        state.note(nil)
        control.poke()
        log(.info, "opened a reign", ["reign": "\(reign)"])
        return true
    }
}
