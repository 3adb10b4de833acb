import Engine
import Log
import Platform
import Replication
import Topology

/// What this node tells of itself and of the others. Reads published values only: never the
/// database, never the network, and no lock that is held for longer than it takes to copy.
extension Node {
    /// Of this node, at this moment.
    public func report() -> NodeReport {
        let facts = state.facts
        let engine = state.engine
        let applied = engine?.state
        let document = state.document
        let session = session?.status
        var report = NodeReport(
            name: facts.name.rawValue,
            address: state.ownRecord?.address.url ?? options.address.url)
        report.configured = configured(facts.number, in: document)
        report.running = running(session, document)
        report.position = applied?.position ?? .origin
        report.durableIndex = engine?.log.syncedIndex ?? .zero
        report.lag = ownLag(session, applied?.position)
        report.catalog = applied.map { applied in
            NodeReport.CatalogSummary(
                namespaces: applied.catalog.namespaceCount, digest: applied.header.catalogDigest,
                index: applied.header.catalogIndex)
        }
        report.fullSync = session?.fullSync.map(NodeReport.FullSync.init(_:))
        report.fullSyncBytesPerSecondMax = state.fullSyncBytesPerSecondMax
        // Zero until the disk was looked at for the first time.
        report.diskFreeBytes = maintenance.freeBytes > 0 ? maintenance.freeBytes : nil
        report.fullSyncs = facts.fullSyncs
        report.partialSyncs = facts.partialSyncs
        report.divergedEntries = facts.divergedEntries
        report.lastFullSync = facts.lastFullSync
        report.lastError = session?.lastError.map(NodeReport.Failure.init(_:)) ?? state.failure
        report.alarms = facts.number.map(ownAlarms) ?? []
        report.catalogDifferences = comparison.withLock { $0.found }
        report.namespacesInTrouble = applied.map { namespacesInTrouble($0.catalog) }
        report.observedAt = .now()
        report.vetoes = vetoes(report)
        return report
    }

    /// Reports are made often: among many namespaces, those in trouble are looked for four times a second.
    private func namespacesInTrouble(_ catalog: Catalog) -> NodeReport.NamespacesInTrouble {
        let now = MonotonicTime.now()
        return troubled.withLock { last in
            if let last, catalog.namespaceCount > Node.namespacesQuick,
                now - last.at < Node.troubleBeat
            {
                return last.found
            }
            let found = NodeReport.NamespacesInTrouble(of: catalog)
            last = (now, found)
            return found
        }
    }

    private static let namespacesQuick = 2_000
    private static let troubleBeat: Duration = .milliseconds(250)

    var session: ReplicaSession? {
        if case .replica(let session) = state.role { session } else { nil }
    }

    private func running(_ session: ReplicaStatus?, _ document: TopologyDocument?)
        -> NodeReport.Running
    {
        let role = state.role.running
        return NodeReport.Running(
            role: role, state: runningState(session, document),
            upstream: session?.upstream.name.rawValue,
            since: session?.since.wallClock
                ?? (isIsolated ? max(source.heardAt.wallClock, state.since) : state.since),
            lastProgressAt: session?.lastProgressAt.wallClock,
            nextRetryAt: session?.nextRetryAt?.wallClock, attempt: session?.attempt ?? 0,
            failing: session?.failing.flatMap { RunningState(rawValue: $0.state.rawValue) },
            failingSince: session?.failing?.since.wallClock,
            generation: document?.generation, term: document?.reign.term, claim: ownClaim(document))
    }

    private func ownClaim(_ document: TopologyDocument?) -> NodeReport.Claim? {
        guard let document, let claim = state.facts.claim,
            let upstream = state.claimedUpstream(document)
        else { return nil }
        return NodeReport.Claim(upstream: document.label(of: upstream), since: claim.since)
    }

    private func runningState(
        _ session: ReplicaStatus?, _ document: TopologyDocument?
    ) -> RunningState? {
        switch state.role {
        case .primary:
            if state.isHandingOver { return .handingOver }
            return state.isUnconfirmed || isIsolated ? .unconfirmed : .serving
        case .undecided:
            return nil
        case .replica:
            if let session, let word = RunningState(rawValue: session.state.rawValue) {
                return word
            }
            if state.isFenced { return .fenced }
            guard state.facts.number != nil, let document else { return .connecting }
            return state.ownRole(in: document) == nil ? .detached : .connecting
        }
    }

    private func ownLag(_ session: ReplicaStatus?, _ position: Position?) -> NodeReport.Lag? {
        if state.committer != nil { return NodeReport.Lag(entries: 0, bytes: 0, seconds: 0) }
        guard let origin = session?.origin, let position,
            origin.age(at: .now()) < OriginHeartbeat.ageMax
        else { return nil }
        let entries = origin.position.index.distance(past: position.index)
        if entries == 0 { return NodeReport.Lag(entries: 0, bytes: 0, seconds: 0) }
        let applied = state.engine?.state.header.time ?? origin.time
        let seconds =
            origin.time > applied ? Double(origin.time.rawValue - applied.rawValue) / 1000 : 0
        return NodeReport.Lag(entries: entries, bytes: nil, seconds: seconds)
    }

    func configured(
        _ number: NodeNumber?, in document: TopologyDocument?
    ) -> NodeReport.Configured? {
        guard let document, let number, document.node(numbered: number) != nil else { return nil }
        switch document.role(of: number) {
        case .primary:
            return NodeReport.Configured(
                role: .primary, upstream: nil, generation: document.generation)
        case .replica(let upstream):
            return NodeReport.Configured(
                role: .replica, upstream: document.label(of: upstream),
                generation: document.generation)
        case nil:
            return NodeReport.Configured(role: nil, upstream: nil, generation: document.generation)
        }
    }

    /// Why this node must not be made primary now.
    private func vetoes(_ report: NodeReport) -> [NodeReport.Veto] {
        var vetoes: [NodeReport.Veto] = []
        switch state.role {
        case .primary: vetoes.append(.isPrimary)
        case .undecided: vetoes.append(.undecided)
        case .replica: break
        }
        if state.engine == nil {
            vetoes.append(.init(code: "empty", detail: "the node has no state yet"))
        }
        if let sync = report.fullSync {
            vetoes.append(
                .init(
                    code: sync.reason == FullSyncReason.historyDiverged.rawValue
                        ? "diverged" : "full-sync",
                    detail: "a full sync (\(sync.reason)) is at stage \(sync.stage)"))
        }
        if report.hasAlarm(.catalogDiffers) {
            vetoes.append(.catalogDiffers)
        }
        if report.hasAlarm(.historyDamaged) { vetoes.append(.historyDamaged) }
        if report.running?.state == .detached {
            vetoes.append(.init(code: "detached", detail: "the node is not in the topology"))
        }
        if let lag = report.lag, let seconds = lag.seconds, seconds > options.inSyncLag.inSeconds {
            vetoes.append(
                .init(code: "lagging", detail: "\(lag.entries) entries behind, \(seconds) s"))
        }
        return vetoes
    }

    /// Of every node of the topology, in order of their numbers; of this one alone when it has none.
    public func reports() -> [NodeReport] {
        guard let document = state.document, !document.nodes.isEmpty else { return [report()] }
        let links = Dictionary(
            source.links().map { ($0.replica, $0) }, uniquingKeysWith: { _, last in last })
        let own = state.facts.number
        var reports = document.nodes.map { record in
            record.number == own
                ? report() : peerReport(record, in: document, link: links[record.number])
        }
        // A node that was removed still tells of itself.
        if own.map({ document.node(numbered: $0) == nil }) ?? true { reports.append(report()) }
        return reports
    }

    /// Older than this, what was heard of a peer is not shown as if it were so now.
    static let observationAgeMax: Duration = .seconds(4)

    /// Of a node of the topology, as this node knows it.
    func report(of record: NodeRecord, in document: TopologyDocument) -> NodeReport {
        let link = source.links().last { $0.replica == record.number }
        return peerReport(record, in: document, link: link)
    }

    private func peerReport(
        _ record: NodeRecord, in document: TopologyDocument, link: LinkStatus?
    ) -> NodeReport {
        let seen = peers.observation(of: record.number)
        var report = NodeReport(name: record.name.rawValue, address: record.address.url)
        report.configured = configured(record.number, in: document)
        report.observedAt = seen?.heardAt
        report.lastError = seen?.failure
        report.alarms = knownAlarms(of: record.number, in: document)
        if let own = state.facts.number, document.upstream(of: record.number) == own {
            report.retention = retention(of: record.number)
        }
        report.vetoes = [.init(code: "unreachable", detail: "the node does not answer")]
        guard let seen, let status = seen.status, let heardAt = seen.heardAt else { return report }
        let age =
            UnixMilliseconds.now().rawValue - min(heardAt.rawValue, UnixMilliseconds.now().rawValue)
        let isCurrent = age < UInt64(Node.observationAgeMax.wholeMilliseconds)
        let isMember =
            (status.lineage == state.lineage && status.number == record.number)
            || link?.state == .streaming
        guard isCurrent, seen.isReachable else { return report }
        let told = status.report
        guard isMember else {
            report.vetoes = [.init(code: "not-taken-in", detail: "the node is of another cluster")]
            // Also while it is being asked again.
            report.lastError = report.lastError ?? tracker.refusal(of: record.number)
            report.running = told.running
            return report
        }
        report.running = told.running
        report.position = told.position
        report.durableIndex = told.durableIndex
        report.lag = told.lag
        report.catalog = told.catalog
        report.catalogDifferences = told.catalogDifferences
        report.namespacesInTrouble = told.namespacesInTrouble
        report.fullSync = told.fullSync
        report.fullSyncBytesPerSecondMax = told.fullSyncBytesPerSecondMax
        report.diskFreeBytes = told.diskFreeBytes
        report.fullSyncs = told.fullSyncs
        report.partialSyncs = told.partialSyncs
        report.divergedEntries = told.divergedEntries
        report.lastFullSync = told.lastFullSync
        report.vetoes = told.vetoes
        if report.hasAlarm(.catalogDiffers), !report.vetoes.contains(.catalogDiffers) {
            report.vetoes.append(.catalogDiffers)
        }
        report.lastError = told.lastError
        report.alarms += told.alarms.filter { alarm in
            !report.alarms.contains { $0.code == alarm.code }
        }
        if let link, told.running?.state == .streaming {
            report.takeIn(link, own: state.engine?.state)
        } else if link?.state == .streaming, told.running?.state != .streaming {
            // It streams since it was last asked: its counters have changed, too.
            peers.poke(record.number)
        }
        return report
    }
}

extension NodeReport {
    /// A replica that this node feeds tells more, and sooner, by its acknowledgements.
    fileprivate mutating func takeIn(_ link: LinkStatus, own: EngineState?) {
        // Also of a link that has stalled: the replica may not have noticed yet, and say that it lacks nothing.
        guard [.streaming, .stalled].contains(link.state), let lag = link.lag else { return }
        self.lag = Lag(entries: lag.entries, bytes: lag.bytes, seconds: lag.seconds)
        guard link.state == .streaming, let ack = link.report, let at = link.reportedAt?.wallClock,
            let state = RunningState(rawValue: ack.state), observedAt.map({ $0 <= at }) ?? true
        else { return }
        running?.state = state
        let known = running?.generation ?? ack.generation
        running?.generation = max(ack.generation, known)
        position = ack.applied
        durableIndex = ack.durable
        let isSame =
            own?.header.catalogIndex == ack.catalogIndex
            && own?.header.catalogDigest == ack.catalogDigest
        // The same digest at the same entry is the same catalog, so its count is known too.
        if let count = isSame ? own?.catalog.namespaceCount : catalog?.namespaces {
            catalog = CatalogSummary(
                namespaces: count, digest: ack.catalogDigest, index: ack.catalogIndex)
        }
        observedAt = at
        if state == .streaming {
            fullSync = nil
            vetoes.removeAll { ["empty", "full-sync", "diverged", "detached"].contains($0.code) }
        }
    }
}

extension NodeReport {
    init(name: String, address: String?) {
        self.name = name
        self.address = address
    }
}

extension NodeReport.FullSync {
    init(_ progress: FullSyncProgress) {
        stage = progress.stage.rawValue
        reason = progress.reason.rawValue
        bytesDone = progress.bytesDone
        bytesTotal = progress.bytesTotal
        filesDone = progress.filesDone
        filesTotal = progress.filesTotal
        bytesPerSecond = progress.bytesPerSecond
        etaSeconds = progress.etaSeconds
        resumedBytes = progress.resumedBytes
    }
}

extension NodeReport.Failure {
    init(_ error: LinkError) {
        code = error.code
        detail = error.detail
        at = error.at.wallClock
    }
}
