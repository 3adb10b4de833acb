import Engine
import JSON
import Log
import Platform
import Replication
import Topology

/// The thread that watches what happens here, and tells it. Reads published values only.
extension Node {
    /// How long a change that nobody pokes for may go unseen.
    private static let eventBeat: Duration = .milliseconds(200)
    /// Between two looks, however much happens.
    private static let eventPause: Duration = .milliseconds(20)

    func startEvents() {
        let wording = EventWording(
            document: state.document, lineage: state.lineage,
            running: Set(
                (engine?.state.catalog.operations ?? [:]).values
                    .filter { $0.state == .running }.map(\.id)))
        let seen = snapshot(wording)
        let name = self.name.rawValue
        events.publish([
            Event(
                .node, "started", name, at: .now(), "\(name) has started.",
                ["index": .orNull(engine?.state.position.index.rawValue)])
        ])
        _ = WorkerThread(name: "events") { [self] in watchEvents(wording, seen) }
    }

    private func watchEvents(_ wording: EventWording, _ seen: EventSnapshot) {
        var (wording, seen) = (wording, seen)
        let pause = Monitor(())
        while true {
            switch events.next(within: Node.eventBeat) {
            case .stop: return
            case .overflow: events.breakOff()
            case .look(let entries):
                events.publish(entries.flatMap { wording.events(of: $0) })
            }
            tellChanges(&wording, &seen)
            events.tellReaders()
            _ = pause.wait(until: .now() + Node.eventPause) { _ in Never?.none }
        }
    }

    private func tellChanges(_ wording: inout EventWording, _ seen: inout EventSnapshot) {
        let now = UnixMilliseconds.now()
        if let document = state.document {
            events.publish(wording.tell(document, of: state.lineage, at: now))
        }
        events.publish(
            wording.events(ofLocal: tracker.localRecords + tracker.upkeepRecords, at: now))
        events.publish(wording.settle({ operation($0)?.record }, at: now))
        let new = snapshot(wording)
        guard new != seen else { return }
        if let syncs = new.nodes[name.rawValue]?.fullSyncs,
            let before = seen.nodes[name.rawValue]?.fullSyncs, syncs > before
        {
            events.publish([
                Event(
                    .namespace, "replaced", name.rawValue, at: now,
                    "A full sync has replaced the namespaces of \(name): list them again.")
            ])
        }
        events.publish(new.changes(since: seen, of: name.rawValue, at: now))
        seen = new
    }

    private func snapshot(_ wording: EventWording) -> EventSnapshot {
        var snapshot = EventSnapshot()
        for report in reports() {
            snapshot.nodes[report.name] = EventSnapshot.NodeView(report)
            for alarm in report.alarms {
                let id = EventSnapshot.AlarmID(node: report.name, code: alarm.code)
                snapshot.alarms[id] = alarm.detail
            }
        }
        let own = name.rawValue
        for link in source.links() {
            snapshot.links[link.id] = EventSnapshot.LinkView(
                source: own, replica: link.replicaName, state: link.state.rawValue,
                trouble: link.trouble)
        }
        if let status = session?.status {
            snapshot.links[status.id] = EventSnapshot.LinkView(
                source: status.upstream.name.rawValue, replica: own,
                state: EventSnapshot.word(status.state, attempt: status.attempt),
                // Kept while it streams, so that it can be read; then it is over.
                trouble: status.state == .streaming
                    ? nil : status.lastError.map { "\($0.code): \($0.detail)" })
        }
        snapshot.unreadiness = unreadiness().map(\.code)
        for id in wording.running {
            snapshot.steps[id] = operation(id)?.steps.map {
                EventSnapshot.StepView(name: $0.name, state: $0.state)
            }
        }
        return snapshot
    }
}

extension EventSnapshot {
    /// Each new try of a link that does not come about would be three changes: all of them are
    /// `backoff`.
    static func word(_ state: ReplicaStateWord, attempt: Int) -> String {
        switch state {
        case .connecting, .handshake, .backoff:
            attempt > 0 ? ReplicaStateWord.backoff.rawValue : state.rawValue
        case .fullSync, .streaming, .stalled, .detached, .fenced, .stopped: state.rawValue
        }
    }
}

extension EventSnapshot.NodeView {
    init(_ report: NodeReport) {
        running = report.running.map { running in
            EventSnapshot.Running(
                role: running.role, state: running.visibleState, upstream: running.upstream)
        }
        fullSync = report.fullSync?.reason
        fullSyncs = report.fullSyncs
        lastFullSync = report.lastFullSync
    }
}
