import ClusterKit
import HTTPClient
import JSON
import Platform
import Testing

/// What a replica held before its state was replaced: the names of its namespaces, and one key.
struct OldState: Sendable {
    var names = ["default"]
    var namespace = "default"
    var key: (name: String, value: [UInt8])?
}

/// Test A, step 4: asks a replica each 20 ms, and takes down every answer that no single state can give.
final class CatalogWatch: Sendable {
    struct Findings: Sendable {
        var faults: [String] = []
        var notReady = 0
        var old = 0
        var whole = 0
    }

    private let shared = Monitor((isOver: false, findings: Findings()))
    private let thread: WorkerThread

    /// Begins at once.
    ///
    /// - Parameters:
    ///   - replica: Runs, and goes on running.
    ///   - tenants: What the new state has.
    ///   - old: What the state before it has, and the new one has not.
    init(_ replica: ConvoyProcess, _ tenants: Tenants, old: OldState = OldState()) {
        let shared = self.shared
        thread = WorkerThread(name: "catalog-watch") {
            var findings = Findings()
            var isLast = false
            while !isLast {
                // One more look after the end was asked for: what is there by then counts.
                isLast = shared.withLock { $0.isOver }
                do {
                    try CatalogWatch.look(replica.client, tenants, old, &findings)
                } catch {
                    findings.faults.append("\(error)")
                }
                rest(.milliseconds(20))
            }
            shared.update { [findings] in $0.findings = findings }
        }
    }

    func finish() throws -> Findings {
        shared.update { $0.isOver = true }
        guard thread.join(until: .now() + .seconds(60)) else {
            throw ClusterFailure("the watch did not end")
        }
        return shared.withLock { $0.findings }
    }

    /// Which state an answer is of.
    private enum Seen: Comparable {
        case old, notReady, new
    }

    /// A list, then new data, then old data, then a list: what is seen later must not be older.
    private static func look(
        _ client: TestClient, _ tenants: Tenants, _ old: OldState, _ findings: inout Findings
    ) throws {
        let before = try list(client, tenants, old, &findings)
        let new = try newData(client, tenants, &findings)
        let gone = try oldData(client, old, &findings)
        let after = try list(client, tenants, old, &findings)
        if before == .new && new != .new { findings.faults.append("a list without its data") }
        if new == .new && after != .new { findings.faults.append("new data under an old list") }
        if before == .new && gone == .old { findings.faults.append("old data under a new list") }
        if new == .new && gone == .old { findings.faults.append("old data beside new data") }
        if after == .old && gone == .new { findings.faults.append("an old list without its data") }
        switch before {
        case .old: findings.old += 1
        case .notReady: findings.notReady += 1
        case .new: findings.whole += 1
        }
    }

    private static func list(
        _ client: TestClient, _ tenants: Tenants, _ old: OldState, _ findings: inout Findings
    ) throws -> Seen {
        let answer = try client.get("/v1/namespaces")
        guard answer.status == 200 else {
            if answer.problem != "not-ready" { findings.faults.append("\(answer)") }
            return .notReady
        }
        let items = answer["items"]?.arrayValue ?? []
        let names = items.compactMap { $0["name"]?.stringValue }
        if names == old.names { return .old }
        let counts = items.filter { $0["name"] != "default" }.compactMap {
            $0["keys"]?.integerValue
        }
        let areFull = counts.allSatisfy { $0 == Int64(tenants.keyCount) }
        if names != ["default"] + tenants.names || !areFull {
            findings.faults.append("neither the old list nor the new one: \(names) \(counts)")
        }
        return .new
    }

    private static func newData(
        _ client: TestClient, _ tenants: Tenants, _ findings: inout Findings
    ) throws -> Seen {
        guard let last = tenants.names.last, let token = tenants.tokens[last] else { return .old }
        let number = tenants.keyCount - 1
        let answer = try client.with(token: token).get(Path.key(Tenants.key(number), in: last))
        switch answer.status {
        case 200:
            if answer.body != Tenants.value(last, number) {
                findings.faults.append("a wrong value: \(answer)")
            }
            return .new
        // Who is wrong a hundred times is told that instead; a token that is right never is.
        case 401, 404, 429: return .old
        case 503: return .notReady
        default:
            findings.faults.append("\(answer)")
            return .notReady
        }
    }

    private static func oldData(
        _ client: TestClient, _ old: OldState, _ findings: inout Findings
    ) throws -> Seen {
        guard let key = old.key else { return .notReady }
        let answer = try client.get(Path.key(key.name, in: old.namespace))
        switch answer.status {
        case 200:
            if answer.body != key.value { findings.faults.append("a wrong old value: \(answer)") }
            return .old
        case 404: return .new
        case 503: return .notReady
        default:
            findings.faults.append("\(answer)")
            return .notReady
        }
    }
}
