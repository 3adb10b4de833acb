public import Engine
import JSON
import Platform
import Topology

/// Changes that take time, as this node knows them.
extension Node {
    public func operation(_ id: String) -> OperationView? {
        // What runs here is truer than what the log says of it until it is done.
        let record =
            (tracker.localRecords + tracker.upkeepRecords).first { $0.id == id }
            ?? state.engine?.state.catalog.operations[id]
        return record.map { shown([$0])[0] }
    }

    /// Gives an operation up, where that is possible; returns at once. Nil: there is no such one. The
    /// audit has `credential`'s author at its end.
    public func cancel(_ id: String, by credential: Credential) -> CancelOutcome? {
        guard let record = operation(id)?.record else { return nil }
        guard record.state == .running else { return .tooLate }
        switch record.type {
        case "switchover": return tracker.cancelSwitchover(record.id, by: credential)
        case "add-node":
            return .impossible("Remove the node \(record.subject) instead.")
        case "resync-node":
            return .impossible(
                "A full sync that has begun is finished, so that the node ends whole.")
        case "reclaim":
            return .impossible("It is the node's own work, and ends when the space is free.")
        default:
            return .impossible("It ends by itself within a minute.")
        }
    }

    /// The newest first.
    public func operations() -> [OperationView] {
        var records = state.engine?.state.catalog.operations ?? [:]
        for local in tracker.localRecords + tracker.upkeepRecords { records[local.id] = local }
        return shown(
            records.values.sorted { ($1.createdAt, $1.id) < ($0.createdAt, $0.id) })
    }

    private func shown(_ records: [OperationRecord]) -> [OperationView] {
        var book: LossBook?
        return records.map { record in
            var view = tracker.view(
                of: record, relayed: record.state == .running ? relayedCourse(record.id) : nil,
                runsHere: state.committer != nil)
            guard record.type == "failover", record.state == .succeeded,
                let json = view.result, let result = FailoverResult(json: json),
                var members = json.objectValue
            else { return view }
            let known = book ?? lossBook()
            book = known
            members["found_loss"] = known.found(result, createdAt: record.createdAt)?.json ?? .null
            view.result = .object(members)
            return view
        }
    }

    /// What the failovers cost is read off these.
    private func lossBook() -> LossBook {
        let operations = state.engine?.state.catalog.operations ?? [:]
        let failovers = operations.values.filter { $0.type == "failover" }
            .sorted { $0.createdAt < $1.createdAt }
            .compactMap { record in
                OperationResult.parse(record.result).flatMap(FailoverResult.init(json:)).map {
                    (at: record.createdAt, result: $0)
                }
            }
        var seen: [String: FoundLoss.Seen] = [:]
        for report in reports() {
            guard let running = report.running, let term = running.term,
                running.state == .streaming || running.role == .primary,
                let entries = report.divergedEntries
            else { continue }
            seen[report.name] = FoundLoss.Seen(divergedEntries: entries, term: term)
        }
        return LossBook(failovers: failovers, seen: seen)
    }
}

/// Every failover, and what each node has set aside by now. Pure.
private struct LossBook {
    /// In the order in which they came.
    let failovers: [(at: UnixMilliseconds, result: FailoverResult)]
    let seen: [String: FoundLoss.Seen]

    func found(_ result: FailoverResult, createdAt: UnixMilliseconds) -> FoundLoss? {
        FoundLoss(
            of: result,
            later: { name in
                failovers.lazy.filter { $0.at > createdAt }.compactMap { other in
                    other.result.silent.first { $0.node == name }?.divergedEntriesBefore
                }.first
            },
            seen: { seen[$0] })
    }
}
