import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The rules of `Node+Roles`, `Node+Promise`, `Node+Claim` and `Node+Following`.
extension SimNode {
    func reconcile() {
        guard isUp else { return }
        switch role {
        case .undecided: decideAfterBoot()
        case .primary(let reign): reconcilePrimary(reign)
        case .replica(let session): reconcileReplica(session)
        }
        if let document, isUp { enforce(document) }
    }

    private func reconcilePrimary(_ reign: Reign) {
        guard let document else { return }
        guard document.reign > reign else {
            noteHeardTopology(reign)
            return outgrowPromises(reign, document)
        }
        log("gives up reign \(reign) for \(document.reign)")
        setRole(.replica(nil), isFenced: true)
    }

    private func noteHeardTopology(_ reign: Reign) {
        settleChanges()
        guard unheard.isEmpty, let heard = unheard.heard,
            store?.state.heardGeneration.map({ $0 < heard }) ?? true
        else { return }
        _ = append(.heard(heard), in: reign)
        pumpAll()
    }

    private func reconcileReplica(_ session: SimSession?) {
        guard let document, let number = facts.number else { return }
        switch document.role(of: number) {
        case .replica(let configured):
            guard facts.promised.map({ document.reign >= $0 }) ?? true else { return }
            guard
                let upstream = document.node(
                    numbered: claimedUpstream(document) ?? configured)
            else { return }
            if let session, session.upstream == upstream, !session.isStopped { return }
            session?.stop()
            follow(upstream, forced: fullSyncReason)
        case nil:
            guard session != nil || isFenced else { return }
            session?.stop()
            beginSession()
            endFeeds("removed")
            setRole(.replica(nil))
            log("is detached in \(document.version)")
        case .primary:
            if takeHandover(document, number) { return }
            reconsiderReign(document, number)
        }
    }

    private func reconsiderReign(_ document: TopologyDocument, _ number: NodeNumber) {
        guard store != nil else { return }
        if let promised = facts.promised, promised.holder != number, promised > document.reign,
            document.role(of: promised.holder) != nil
        {
            guard waited >= Node.promisePatience,
                observations[promised.holder]?.isReachable ?? false
            else { return }
        }
        setRole(.undecided)
        log("asks around; no other node reigns")
    }

    private var waited: Duration { world.now - since }

    private func outgrowPromises(_ reign: Reign, _ document: TopologyDocument) {
        let isHeldUp = document.nodes.contains { record in
            guard let seen = observations[record.number], seen.isReachable,
                let promised = seen.status.promised
            else { return false }
            return promised > reign
                && (seen.status.document.map { $0.version <= document.version } ?? true)
        }
        guard isHeldUp else {
            heldUpSince = nil
            return
        }
        let since = heldUpSince ?? world.now
        heldUpSince = since
        guard world.now - since >= Node.promisePatience else { return }
        heldUpSince = nil
        setRole(.undecided)
        log("opens a higher reign than was promised")
    }

    private var fullSyncReason: FullSyncReason? {
        if store != nil { return nil }
        return foreign == nil ? .empty : .historyDiverged
    }

    func follow(_ upstream: NodeRecord, forced: FullSyncReason?) {
        beginSession()
        setRole(.replica(SimSession(self, upstream, forced: forced)))
        log("follows \(upstream.name)")
    }

    /// Becomes primary by a synced entry that moves the primary here.
    func openReign(_ reign: Reign, over told: TopologyDocument? = nil) -> Bool {
        guard let applied = store?.state.document else { return false }
        let document = told.map { $0.version > applied.version ? $0 : applied } ?? applied
        let note = ChangeNote(at: wallClock, by: "system")
        guard
            case .success(.changed(let next)) = document.movingPrimary(
                to: reign.holder, reign: reign, note: note)
        else {
            log("cannot move the primary of \(document.version) to reign \(reign)")
            return false
        }
        return openReign(reign, with: .document(next))
    }

    func openReign(_ reign: Reign, with payload: SimPayload) -> Bool {
        guard let store, reign > store.state.reign else { return false }
        guard append(payload, in: reign) != nil, world.passes(.reignAppended, self) else {
            return false
        }
        self.store?.log.sync()
        if let state = self.store?.state {
            unheard = UnheardChanges(
                history: state.documents, heard: state.heardGeneration,
                knownAt: state.position.index)
        }
        setRole(.primary(reign))
        log("reigns in \(reign) from \(position.index)")
        return true
    }

    // MARK: - Entries

    /// Appends and applies an entry of this node's reign.
    ///
    /// - Returns: Nil when the process ended in between.
    func append(_ payload: SimPayload, in reign: Reign) -> Position? {
        guard let state = store?.state else { return nil }
        let record = Record(
            after: state.position, reign: reign, kind: payload.kind,
            time: max(state.time, wallClock), payload: payload.encoded())
        var lineage = state.lineage
        if case .founding(let own, _) = payload { lineage = own }
        world.watch.appended(record, by: self, in: lineage ?? Lineage(id: .zero))
        guard apply(record) == nil, isUp else { return nil }
        return record.position
    }

    /// Appends an entry to the log, and applies it to the state.
    ///
    /// - Returns: Why not.
    func apply(_ record: Record) -> String? {
        guard var engine = store ?? foreign else { return "no state" }
        let isForeign = store == nil
        func put(_ engine: SimStore) { if isForeign { foreign = engine } else { store = engine } }
        world.watch.applies(record, on: engine.state, self)
        engine.append(record, synced: world.settings.policy == .always)
        put(engine)
        guard world.passes(.appended, self) else { return nil }
        let version = document?.version
        let fault = engine.apply(record)
        put(engine)
        if document?.version != version {
            world.after(.zero) { [self, process] in if process == self.process { reconcile() } }
        }
        return fault
    }

    /// A client writes. It is acknowledged when as many replicas have it as the document says.
    func write(_ id: UInt64) {
        guard isUp, !isHolding, let reign, let document,
            let position = append(.write(id), in: reign)
        else {
            return
        }
        let needed = document.minInSyncReplicas
        settleChanges()
        if needed == 0, unheard.isEmpty, let lineage = store?.state.lineage {
            world.watch.acknowledged(position, in: lineage, replicas: 0)
        } else {
            waiters.append(
                Waiter(position: position, count: needed, deadline: world.now + .seconds(5)))
        }
        pumpAll()
    }

    /// Changes the topology, as the primary.
    func change(
        _ make: (TopologyDocument, ChangeNote) -> Result<TopologyChange, TopologyFaults>
    ) {
        guard isUp, !isHolding, let reign, let document = store?.state.document,
            case .success(.changed(let next)) = make(
                document, ChangeNote(at: wallClock, by: "operator"))
        else { return }
        log("changes the topology to \(next.version)")
        guard let position = append(.document(next), in: reign) else { return }
        unheard.note(document, next, at: position.index)
        reconcile()
        pumpAll()
    }

    // MARK: - Promises and claims

    /// - Returns: What the node says with its promise; nil when it does not promise.
    func promise(_ reign: Reign) -> PromiseGiven? {
        if let document, document.role(of: reign.holder) == nil { return nil }
        if facts.promised != reign {
            if let promised = facts.promised, promised > reign { return nil }
            if let known = document?.reign, known >= reign { return nil }
            changeFacts { $0.promised = reign }
            guard world.passes(.promised, self) else { return nil }
        }
        let isOwn = reign.holder == facts.number
        switch role {
        case .primary(let own) where own < reign:
            setRole(.replica(nil), isFenced: !isOwn)
            endFeeds("promised reign \(reign)")
        case .replica(let session?):
            session.stop()
            beginSession()
            setRole(.replica(nil))
        case .primary: break
        case .replica(nil), .undecided: beginSession()
        }
        log("promises to follow none below \(reign)")
        return PromiseGiven(extent: extent, version: document?.version)
    }

    func claim(_ upstream: SimNode) {
        guard isUp, reign == nil, let document, let number = facts.number,
            case .replica(let configured) = document.role(of: number),
            let other = upstream.facts.number, other != number,
            document.node(numbered: other) != nil,
            !document.descendants(of: number).contains(other)
        else { return }
        changeFacts {
            $0.claim =
                other == configured
                ? nil
                : NodeFacts.Claim(upstream: other, basis: document.version, since: wallClock)
        }
        if let session, session.upstream.number != other { session.stop() }
        log("claims \(upstream.name) as upstream")
        reconcile()
    }

    /// Swaps the state for the one that a full sync brought.
    func install(_ staged: SimStore) {
        store = staged
        foreign = nil
        endFeeds("the state was replaced by a full sync")
        changeFacts { $0.lineage = staged.state.lineage }
        log("serves the state of a full sync, at \(position.index)")
    }

    /// A peer said something of the topology.
    func hear(_ word: PeerVersion?) {
        guard let word, let document = word.document else { return }
        learn(document, of: word.lineage)
    }
}
