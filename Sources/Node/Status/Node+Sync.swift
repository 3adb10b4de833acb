import Engine
import Log
import Platform
import Replication
import Topology

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
        // It looks at no other node, so it does not know.
        let isOutside = [.detached, .fenced].contains(report().running?.state)
        let obstacles = isPrimary ? writeObstacles() : Node.writeObstacles(of: primary)
        return SyncReport(
            inSync: primary != nil && synced.count == replicas.count,
            inSyncReplicas: synced.count, configuredReplicas: replicas.count,
            primary: primaryName, term: document?.reign.term, generation: document?.generation,
            converged: driftReport().isConverged,
            writable: isOutside ? nil : obstacles.isEmpty,
            writeObstacles: isOutside ? [] : obstacles, position: primary?.position,
            logFirst: engine?.log.first, logLast: engine?.log.last.index,
            logBytes: engine?.log.bytes,
            exposure: Node.exposure(primary, replicas), nodes: reports, observedAt: .now(),
            inSyncLag: options.inSyncLag)
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

    static func exposure(
        _ primary: NodeReport?, _ replicas: [NodeReport]
    ) -> SyncReport.Exposure? {
        guard let position = primary?.position else { return nil }
        // Who lags may take over all the same: what it lacks is what would be lost.
        func isCandidate(_ replica: NodeReport) -> Bool {
            replica.running?.role == .replica && replica.vetoes.allSatisfy { $0.code == "lagging" }
        }
        let candidates = replicas.filter { isCandidate($0) && $0.lag != nil }
        let best = candidates.min { ($0.lag?.entries ?? .max) < ($1.lag?.entries ?? .max) }
        guard let best, let lag = best.lag else {
            // Who is silent may have all of it, or nothing.
            let isKnown = replicas.allSatisfy { $0.running != nil && !isCandidate($0) }
            return SyncReport.Exposure(
                entries: isKnown ? position.index.rawValue : nil, bytes: nil, seconds: nil,
                candidate: nil)
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
