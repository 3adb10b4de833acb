import Engine
import JSON
import Platform

/// The imports that this node carries out, and the last ones that it has: what a client that watches, or
/// has lost its connection, asks for. In memory alone.
final class ImportRuns: Sendable {
    private let table = Monitor(Table())

    /// Ended ones that are kept, of all namespaces.
    static let endedMax = 256

    private struct Table {
        var runs: [Run] = []
        var next: UInt64 = 1
    }

    enum State: String, Sendable {
        case running, succeeded, failed
    }

    struct Run: Sendable {
        let id: UInt64
        let namespace: NamespaceID
        let startedAt: UnixMilliseconds
        var endedAt: UnixMilliseconds?
        var state = State.running
        var report = ImportReport()

        var json: JSONValue {
            var document = report.members
            document["id"] = .string("\(id)")
            document["state"] = .string(state.rawValue)
            document["started_at"] = .string(startedAt.rfc3339)
            document["ended_at"] = .orNull(endedAt?.rfc3339)
            return .object(document)
        }
    }

    func begin(_ namespace: NamespaceID) -> UInt64 {
        table.withLock { table in
            defer { table.next += 1 }
            table.runs.append(Run(id: table.next, namespace: namespace, startedAt: .now()))
            let ended = table.runs.count { $0.state != .running }
            if ended > ImportRuns.endedMax,
                let oldest = table.runs.firstIndex(where: { $0.state != .running })
            {
                table.runs.remove(at: oldest)
            }
            return table.next
        }
    }

    func note(_ id: UInt64, _ report: ImportReport, _ state: State = .running) {
        table.withLock { table in
            guard let place = table.runs.lastIndex(where: { $0.id == id }) else { return }
            table.runs[place].report = report
            table.runs[place].state = state
            if state != .running { table.runs[place].endedAt = .now() }
        }
    }

    /// The newest first.
    func runs(of namespace: NamespaceID) -> [Run] {
        table.withLock { $0.runs.filter { $0.namespace == namespace }.reversed() }
    }
}
