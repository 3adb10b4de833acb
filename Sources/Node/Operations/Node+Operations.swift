import Engine
import JSON
import Platform
import Topology

/// Changes that take time, as this node knows them.
extension Node {
    public func operation(_ id: String) -> OperationView? {
        // What runs here is truer than what the log says of it until it is done.
        let record =
            tracker.localRecords.first { $0.id == id }
            ?? state.engine?.state.catalog.operations[id]
        return record.map(shown)
    }

    /// Gives an operation up, where that is possible; returns at once. Nil: there is no such one.
    public func cancel(_ id: String) -> CancelOutcome? {
        guard let record = operation(id)?.record else { return nil }
        guard record.state == .running else { return .tooLate }
        switch record.type {
        case "switchover": return tracker.cancelSwitchover(record.id)
        case "add-node":
            return .impossible("Remove the node \(record.subject) instead.")
        case "resync-node":
            return .impossible(
                "A full sync that has begun is finished, so that the node ends whole.")
        default:
            return .impossible("It ends by itself within a minute.")
        }
    }

    /// The newest first.
    public func operations() -> [OperationView] {
        var records = state.engine?.state.catalog.operations ?? [:]
        for local in tracker.localRecords { records[local.id] = local }
        return records.values.map(shown)
            .sorted { ($1.record.createdAt, $1.record.id) < ($0.record.createdAt, $0.record.id) }
    }

    private func shown(_ record: OperationRecord) -> OperationView {
        var view = tracker.view(of: record)
        guard record.type == "failover", record.state == .succeeded, let json = view.result,
            let result = FailoverResult(json: json), var members = json.objectValue
        else { return view }
        members["found_loss"] = foundLoss(of: result, createdAt: record.createdAt)?.json ?? .null
        view.result = .object(members)
        return view
    }

    /// What the nodes that were silent in a failover have set aside since.
    private func foundLoss(
        of result: FailoverResult, createdAt: UnixMilliseconds
    ) -> FoundLoss? {
        guard !result.silent.isEmpty else {
            return FoundLoss(of: result, later: { _ in nil }, seen: { _ in nil })
        }
        let later = (state.engine?.state.catalog.operations ?? [:]).values
            .filter { $0.type == "failover" && $0.createdAt > createdAt }
            .sorted { $0.createdAt < $1.createdAt }
            .compactMap { OperationResult.parse($0.result).flatMap(FailoverResult.init(json:)) }
        let reports = self.reports()
        return FoundLoss(
            of: result,
            later: { name in
                later.lazy.compactMap { other in
                    other.silent.first { $0.node == name }?.divergedEntries
                }.first
            },
            seen: { name in
                guard let report = reports.first(where: { $0.name == name }),
                    let running = report.running, let term = running.term,
                    running.state == .streaming || running.role == .primary,
                    let entries = report.divergedEntries
                else { return nil }
                return FoundLoss.Seen(divergedEntries: entries, term: term)
            })
    }
}
