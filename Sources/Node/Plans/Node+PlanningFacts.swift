import Engine
import JSON
public import Log
import Platform
import Replication
public import Topology

/// What plans are made of. Published values only; nothing is asked.
extension Node {
    /// What is known of the nodes of `document`.
    func planningObservations(
        _ sync: SyncReport, _ document: TopologyDocument
    ) -> [NodeObservation] {
        sync.nodes.compactMap { report in
            guard let name = NodeName(report.name), let record = document.node(named: name),
                let observedAt = report.observedAt
            else { return nil }
            return report.planningObservation(as: record.number, in: document, at: observedAt)
        }
    }

    func planningFacts(_ sync: SyncReport) -> PlanningFacts {
        PlanningFacts(
            now: .now(), lastIndex: sync.logLast, firstIndex: sync.logFirst,
            dataBytes: engine.map { $0.databaseBytes + $0.memtableBytes },
            syncBytesPerSecond: Node.syncRate(sync.nodes),
            writeBytesPerSecond: state.committer == nil ? nil : source.bytesPerSecond,
            pauses: lastPauses)
    }

    /// Of a full sync that runs, or else of the last one.
    private static func syncRate(_ reports: [NodeReport]) -> UInt64? {
        let running = reports.compactMap { $0.fullSync?.bytesPerSecond }.max()
        let last = reports.compactMap(\.lastFullSync).max { $0.finishedAt < $1.finishedAt }
        let past = last.flatMap { $0.seconds > 0 ? Double($0.bytes) / $0.seconds : nil }
        return (running ?? past).flatMap { UInt64(exactly: $0.rounded()) }.flatMap {
            $0 > 0 ? $0 : nil
        }
    }

    /// For how long writes stood in the last switchovers that came about, in milliseconds.
    private var lastPauses: [Double] {
        guard let operations = engine?.state.catalog.operations else { return [] }
        return operations.values
            .filter { $0.type == "switchover" && $0.state == .succeeded }
            .sorted { $0.createdAt > $1.createdAt }
            .prefix(Node.pausesMax)
            .compactMap { SwitchoverResult(text: $0.result)?.pauseMilliseconds }
    }

    private static let pausesMax = 5

    /// The plan of a change of the document, and what speaks against it: by the change's own rules.
    /// `found` are nodes that were looked at for it, and are not in the document. Nil without one.
    public func plan(
        found: [NodeObservation] = [],
        _ make: (TopologyDocument, NodeNumber, ChangeNote) -> Result<TopologyChange, TopologyFaults>
    ) -> ChangePlan? {
        guard let document = state.document else { return nil }
        let next = NodeNumber(rawValue: engine?.state.catalog.nextNodeNumber ?? 1)
        let sync = self.sync()
        return document.plan(
            for: make(document, next, ChangeNote(at: .now(), by: "plan")),
            observations: planningObservations(sync, document) + found, facts: planningFacts(sync))
    }

    /// What it would be to start that replica over.
    public func planResync(of node: NodeNumber) -> ChangePlan {
        guard let document = state.document else { return ChangePlan() }
        let sync = self.sync()
        return document.resyncPlan(
            of: node, observations: planningObservations(sync, document), facts: planningFacts(sync)
        )
    }
}

extension NodeReport {
    func planningObservation(
        as number: NodeNumber, in document: TopologyDocument, at time: UnixMilliseconds
    ) -> NodeObservation {
        NodeObservation(
            number: number, name: NodeName(name), isReachable: running != nil,
            isSameLineage: vetoes.contains { $0.code == "not-taken-in" } ? false : nil,
            role: running?.role, state: running?.state,
            upstream: running?.upstream.flatMap { NodeName($0) }
                .flatMap { document.node(named: $0)?.number },
            applied: position?.index, freeBytes: diskFreeBytes,
            lag: lag.map { ObservedLag(entries: $0.entries, bytes: $0.bytes, seconds: $0.seconds) },
            syncBytesPerSecondMax: fullSyncBytesPerSecondMax, observedAt: time)
    }
}
