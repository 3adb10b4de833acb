import Engine
import Log
public import Platform
import Replication
public import Topology

extension Node {
    /// Whether data is safe, as this node knows it. Never waits.
    public func sync() -> SyncReport {
        let reports = self.reports()
        let document = state.document
        let engine = state.engine
        let isPrimary = state.committer != nil
        let primaryName = document.map { $0.label(of: $0.primary) }
        let primary = reports.first { $0.name == primaryName && $0.running?.role == .primary }
        let rule = inSyncRule(primary, document)
        let replicas = replicaReports(reports, document)
        let synced = replicas.filter { rule?.holds(for: $0) ?? false }
        let obstacles = isPrimary ? writeObstacles() : Node.writeObstacles(of: primary)
        return SyncReport(
            inSync: primary != nil && synced.count == replicas.count,
            inSyncReplicas: synced.count, configuredReplicas: replicas.count,
            primary: primaryName, term: document?.reign.term, generation: document?.generation,
            converged: driftItems().isEmpty, writable: obstacles.isEmpty,
            writeObstacles: obstacles, position: primary?.position,
            logFirst: engine?.log.first, logLast: engine?.log.last.index,
            logBytes: engine?.log.bytes,
            exposure: exposure(primary, replicas), nodes: reports, observedAt: .now())
    }

    private func replicaReports(
        _ reports: [NodeReport], _ document: TopologyDocument?
    ) -> [NodeReport] {
        let names = Set((document?.replicas ?? []).compactMap { document?.label(of: $0.node) })
        return reports.filter { names.contains($0.name) }
    }

    private func inSyncRule(
        _ primary: NodeReport?, _ document: TopologyDocument?
    ) -> InSyncRule? {
        guard let document else { return nil }
        return InSyncRule(
            primaryCatalog: primary?.catalog, generation: document.generation,
            lagMax: options.inSyncLag)
    }

    private func exposure(
        _ primary: NodeReport?, _ replicas: [NodeReport]
    ) -> SyncReport.Exposure? {
        guard let position = primary?.position else { return nil }
        let candidates = replicas.filter { $0.isPromotable && $0.lag != nil }
        let best = candidates.min { ($0.lag?.entries ?? .max) < ($1.lag?.entries ?? .max) }
        guard let best, let lag = best.lag else {
            return SyncReport.Exposure(
                entries: position.index.rawValue, bytes: nil, seconds: nil, candidate: nil)
        }
        return SyncReport.Exposure(
            entries: lag.entries, bytes: lag.bytes, seconds: lag.seconds, candidate: best.name)
    }

    /// Whether `member` is in sync, by what was seen after the operation began.
    func isInSync(
        _ report: NodeReport, since operation: OperationRecord
    ) -> Bool {
        guard let document = state.document else { return false }
        if operation.type == "resync-node" {
            guard let last = report.lastFullSync, last.reason == FullSyncReason.requested.rawValue,
                last.finishedAt >= operation.createdAt
            else { return false }
        }
        return inSyncRule(self.report(), document)?.holds(for: report) ?? false
    }

    // MARK: - Configured beside running

    /// Where what runs differs from what is configured, each with the time since when. Looked for
    /// twice a second, whether or not anybody asks, so that the times are right.
    @discardableResult
    public func driftItems() -> [(item: DriftItem, since: UnixMilliseconds)] {
        guard let document = state.document else { return [] }
        let now = UnixMilliseconds.now()
        if let item = ownAbsence(document) { return drift.dated([item]) }
        var observations: [NodeObservation] = []
        for record in document.nodes {
            if let observation = observation(of: record, now) { observations.append(observation) }
        }
        return drift.dated(document.drift(observations: observations, links: runningLinks()))
    }

    /// A node outside the topology looks at nobody, so it can tell of itself alone.
    private func ownAbsence(_ document: TopologyDocument) -> DriftItem? {
        guard let own = state.facts.number, document.node(numbered: own)?.name != name else {
            return nil
        }
        return DriftItem(
            kind: .nodeUnknown, number: own, node: name.rawValue,
            detail:
                "this node is not in the topology, and looks at no other: ask a node that is")
    }

    private func observation(
        of record: NodeRecord, _ now: UnixMilliseconds
    ) -> NodeObservation? {
        if record.number == state.facts.number {
            let own = report()
            return NodeObservation(
                number: record.number, name: record.name, isReachable: true, isSameLineage: true,
                role: own.running?.role, state: own.running?.state,
                upstream: session?.upstream.number, version: state.document?.version,
                applied: own.position?.index,
                catalogAgrees: own.hasAlarm(.catalogDiffers) ? false : nil, observedAt: now)
        }
        guard let seen = peers.observation(of: record.number) else { return nil }
        let status = seen.status
        let upstream = status?.report.running?.upstream
            .flatMap(NodeName.init(_:)).flatMap { state.document?.node(named: $0)?.number }
        return NodeObservation(
            number: record.number, name: status.flatMap { NodeName($0.name) },
            isReachable: seen.isReachable,
            isSameLineage: status.map { $0.lineage == state.lineage },
            role: status?.report.running?.role, state: status?.report.running?.state,
            upstream: upstream, version: status?.document?.version,
            applied: status?.extent.position.index,
            catalogAgrees: catalogDiffers(record.number, status?.report) ? false : nil,
            observedAt: seen.heardAt ?? seen.askedAt, wasHeard: seen.heardAt != nil)
    }

    /// By what this node has found, or the other one says of itself.
    private func catalogDiffers(_ number: NodeNumber, _ told: NodeReport?) -> Bool {
        ownAlarms(of: number).contains { $0.code == AlarmCode.catalogDiffers.rawValue }
            || told?.hasAlarm(.catalogDiffers) == true
    }

    private func runningLinks() -> [LinkObservation] {
        guard let own = state.facts.number else { return [] }
        var links = source.links().map { LinkObservation(source: own, replica: $0.replica) }
        if let session, let word = RunningState(rawValue: session.status.state.rawValue),
            word.hasLink
        {
            links.append(LinkObservation(source: session.upstream.number, replica: own))
        }
        return links
    }

    // MARK: - Readiness

    /// Why this node cannot serve; empty when it can.
    public func unreadiness() -> [(code: String, detail: String)] {
        var reasons: [(code: String, detail: String)] = []
        if state.engine == nil {
            reasons.append(("no-state", "the node has no state yet; a full sync brings it"))
        }
        if case .undecided = state.role {
            reasons.append(("undecided", "the node asks its peers before it opens a new reign"))
        }
        if report().running?.state == .detached {
            reasons.append(("detached", "the node is not in the topology"))
        }
        if state.isDraining { reasons.append(("draining", "the node is stopping")) }
        return reasons
    }

    /// Whether a write that is sent to this node can be answered with success.
    public var isWritable: Bool { writeObstacles().isEmpty }
}
