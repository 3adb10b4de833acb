import Engine
import Log
import Platform
import Replication
import Topology

/// A primary that is silent, as a node sees it that is not primary.
extension Node {
    /// By this node's own view; another may reach the primary all the same.
    func judgePrimary(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard let own = state.facts.number, own != document.primary, state.committer == nil,
            document.role(of: own) != nil
        else { return }
        let key = AlarmBook.Key(node: document.primary, code: .primaryUnreachable)
        guard let seen = peers.observation(of: document.primary) else {
            return verdicts[key] = .unknown
        }
        if seen.isReachable { return verdicts[key] = .right }
        let since = seen.heardAt ?? state.since
        let now = UnixMilliseconds.now().rawValue
        let silence = now - min(since.rawValue, now)
        guard silence >= UInt64(Node.primaryPatience.wholeMilliseconds) else {
            return verdicts[key] = .unknown
        }
        let name = document.label(of: document.primary)
        verdicts[key] = .wrong(
            "the primary \(name) has not answered \(self.name) since \(since.rfc3339) "
                + "(\(seen.failure?.detail ?? "no answer")), so nothing can be written through it")
    }

    /// How long a primary may be silent before that is an alarm.
    private static let primaryPatience: Duration = .seconds(3)

    /// Who has most of what the primary had, of those that may be promoted.
    func bestCandidate(_ document: TopologyDocument) -> NodeRecord? {
        var best: (record: NodeRecord, extent: HistoryExtent)?
        for replica in document.replicas {
            guard let record = document.node(numbered: replica.node),
                let extent = promotableExtent(of: record),
                best.map({ $0.extent < extent }) ?? true
            else { continue }
            best = (record, extent)
        }
        return best?.record
    }

    /// How far the history of a node goes that may be promoted. Asks for no report of alarms, since
    /// those ask for this.
    private func promotableExtent(of record: NodeRecord) -> HistoryExtent? {
        if record.number == state.facts.number {
            guard let engine = state.engine, session?.status.fullSync == nil else { return nil }
            let header = engine.state.header
            return HistoryExtent(reign: header.reign, position: header.position)
        }
        guard let seen = peers.observation(of: record.number), seen.isReachable,
            let status = seen.status, status.report.isPromotable
        else { return nil }
        return status.extent
    }
}
