import Engine
import Log
import Platform
import Replication
import Topology

/// Looks for what is wrong and does not mend itself. Reads published values only.
///
/// A catalog is judged at both ends: a replica holds the origin's heartbeats against what it had
/// itself as of that entry, and the primary the reports of its replicas. Retention is judged by
/// whoever keeps the log.
extension Node {
    /// Judges anew, and tells the operator's log what has changed. Called twice a second.
    func checkAlarms() {
        guard let document = state.document else { return }
        var verdicts: [AlarmBook.Key: AlarmBook.Verdict] = [:]
        judgeOwnCatalog(document, &verdicts)
        judgeOwnHistory(document, &verdicts)
        judgeReplicas(document, &verdicts)
        judgeRetention(document, &verdicts)
        judgePrimary(document, &verdicts)
        judgeWrites(document, &verdicts)
        judgeDisk(&verdicts)
        let changes = alarms.withLock { $0.take(verdicts, at: .now()) }
        compareCatalog(document)
        if changes.isEmpty { return }
        for change in changes {
            let name = document.label(of: change.key.node)
            switch change {
            case .raised(let key, let detail):
                log(
                    .error, "alarm",
                    [
                        "code": key.code.rawValue, "node": name, "detail": detail,
                        "next_step": nextStep(key, document),
                    ])
            case .ended(let key):
                log(.info, "alarm ended", ["code": key.code.rawValue, "node": name])
            }
        }
        waits.poke()
        events.poke()
        peers.pokeAll()
    }

    /// Takes note of the catalog that this node has now.
    func noteCatalog(_ header: StateHeader) {
        catalogs.withLock { $0.note(header.catalogIndex, header.catalogDigest) }
    }

    /// What this node has found itself, of any node.
    func ownAlarms(of number: NodeNumber) -> [NodeReport.Alarm] {
        let found = alarms.withLock { $0.alarms(of: number) }
        guard !found.isEmpty, let document = state.document else { return [] }
        return found.map { code, entry in
            NodeReport.Alarm(
                code: code.rawValue, since: entry.since, detail: entry.detail,
                nextStep: nextStep(AlarmBook.Key(node: number, code: code), document))
        }
    }

    /// What this node has found of others, for its peers: who cannot reach a node that is down has no
    /// other way to know what its upstream says of it.
    func foundAlarms(_ document: TopologyDocument) -> [PeerStatus.FoundAlarm] {
        document.nodes.filter { $0.number != state.facts.number }.flatMap { record in
            ownAlarms(of: record.number).map {
                PeerStatus.FoundAlarm(node: record.number, alarm: $0)
            }
        }
    }

    /// What this node, or the upstream of the one in question, has found.
    func knownAlarms(of number: NodeNumber, in document: TopologyDocument) -> [NodeReport.Alarm] {
        let own = ownAlarms(of: number)
        guard let upstream = document.upstream(of: number), upstream != state.facts.number,
            let seen = peers.observation(of: upstream), seen.isReachable,
            let status = seen.status, status.lineage == state.lineage
        else { return own }
        return own
            + status.found.filter { found in
                found.node == number && !own.contains { $0.code == found.alarm.code }
            }.map(\.alarm)
    }

    private func nextStep(_ key: AlarmBook.Key, _ document: TopologyDocument) -> String {
        let name = document.label(of: key.node)
        switch key.code {
        case .catalogDiffers, .historyDamaged:
            let primary = document.node(numbered: document.primary)?.address.url ?? ""
            return "curl -X POST \(primary)/v1/nodes/\(name)/resync"
        case .positionNotRetained:
            return "start \(name) again, or mend the way to it: it takes a full sync by itself"
        case .primaryUnreachable:
            let start = "start \(name) again, or mend the way to it"
            guard let candidate = bestCandidate(document) else { return start }
            return
                "\(start); if it is lost, see what a failover would cost, then send it without dry_run: "
                + "curl -X POST '\(candidate.address.url)/v1/topology/failover?dry_run=true' "
                + "-H 'Content-Type: application/json' -d '{\"to\":\"\(candidate.name)\",\"reason\":\"\(name) is lost\"}'"
        case .replicasMissing:
            return "start the missing replicas, add others, or lower min_in_sync_replicas"
        case .isolated:
            return "start a replica or mend the way to it, or remove those that are gone"
        case .diskNearlyFull:
            return
                "make room on the disk of \(options.dataPath) at \(name), or flush or delete what is not needed: that is taken"
        }
    }

    private func judgeOwnCatalog(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard let own = state.facts.number, let session else { return }
        let key = AlarmBook.Key(node: own, code: .catalogDiffers)
        let status = session.status
        guard status.state == .streaming, let origin = status.origin,
            origin.lineage == state.lineage
        else { return verdicts[key] = .unknown }
        verdicts[key] = verdict(
            origin.catalogIndex, origin.catalogDigest, document.label(of: own), document)
    }

    /// By what its upstream said when this node came with its position. It ends with a link that streams.
    private func judgeOwnHistory(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard let own = state.facts.number, let status = session?.status else { return }
        let key = AlarmBook.Key(node: own, code: .historyDamaged)
        if status.state == .streaming {
            verdicts[key] = .right
        } else if let error = status.lastError, error.code == key.code.rawValue {
            let upstream = status.upstream.name
            verdicts[key] = .wrong(
                "\(upstream) refuses \(name), which receives nothing since: \(error.detail)")
        } else {
            verdicts[key] = .unknown
        }
    }

    private func judgeDisk(_ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]) {
        guard let own = state.facts.number else { return }
        verdicts[AlarmBook.Key(node: own, code: .diskNearlyFull)] =
            state.isDiskLow ? .wrong(diskLow) : .right
    }

    private func judgeReplicas(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard state.committer != nil else { return }
        for replica in document.replicas {
            let key = AlarmBook.Key(node: replica.node, code: .catalogDiffers)
            verdicts[key] = .unknown
            guard let record = document.node(numbered: replica.node) else { continue }
            let report = report(of: record, in: document)
            guard report.running?.state == .streaming, let catalog = report.catalog else {
                continue
            }
            verdicts[key] = verdict(
                catalog.index, catalog.digest, record.name.rawValue, document)
        }
    }

    private func verdict(
        _ index: LogIndex, _ digest: Hash128, _ name: String, _ document: TopologyDocument
    ) -> AlarmBook.Verdict {
        switch catalogs.withLock({ $0.agrees(index, digest) }) {
        case nil: return .unknown
        case true?: return .right
        case false?:
            let primary = document.label(of: document.primary)
            return .wrong(
                "the catalog of \(name) (namespaces, tokens, topology) is not that of \(primary), "
                    + "though both have applied entry \(index): one of the two is damaged")
        }
    }

    private func judgeRetention(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard let own = state.facts.number, state.engine != nil else { return }
        for child in document.children(of: own) {
            let key = AlarmBook.Key(node: child, code: .positionNotRetained)
            let retention = self.retention(of: child)
            verdicts[key] =
                isInFullSync(child)
                ? .right : retention.verdict(of: document.label(of: child))
        }
    }

    /// How far the log here reaches back for a replica of this node.
    func retention(of replica: NodeNumber) -> ReplicaRetention {
        // Unknown since this node started, the replica's own word has to do.
        let seen = peers.observation(of: replica)
        let told = seen?.status.flatMap { status in
            seen?.isReachable == true && status.lineage == state.lineage
                ? status.extent.position.index : nil
        }
        return source.retention(of: replica, otherwiseAt: told)
    }

    private func isInFullSync(_ replica: NodeNumber) -> Bool {
        if source.links().contains(where: { $0.replica == replica && $0.state == .fullSync }) {
            return true
        }
        let seen = peers.observation(of: replica)
        return seen?.isReachable == true && seen?.status?.report.fullSync != nil
    }
}

extension ReplicaRetention {
    func verdict(of name: String) -> AlarmBook.Verdict {
        switch need {
        case .none: return acked == nil ? .unknown : .right
        case .soon:
            return .wrong(
                "\(name) lacks \(bytesBehind ?? 0) bytes of the log, and at most \(bytesMax) are kept "
                    + "for it: unless it catches up before, it needs a full sync")
        case .now:
            return .wrong(
                "\(name) stands at entry \(acked ?? .zero), and the log begins with entry "
                    + "\(first): it needs a full sync")
        }
    }
}
