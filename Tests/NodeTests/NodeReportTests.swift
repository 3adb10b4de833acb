import JSON
import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct NodeReportTests {
    private func full() -> NodeReport {
        var report = NodeReport(name: "n2", address: "http://127.0.0.1:7071")
        report.configured = .init(role: .replica, upstream: "n1", generation: Generation(3))
        report.running = .init(
            role: .replica, state: .fullSync, upstream: "n1",
            since: UnixMilliseconds(rawValue: 1_700_000_000_123), lastProgressAt: nil,
            nextRetryAt: UnixMilliseconds(rawValue: 1_700_000_000_999), attempt: 2,
            generation: Generation(3), term: 4,
            claim: .init(upstream: "n3", since: UnixMilliseconds(rawValue: 1_700_000_000_001)))
        report.position = Position(index: LogIndex(17), hash: Hash128(high: 1, low: 2))
        report.durableIndex = LogIndex(16)
        report.lag = .init(entries: 3, bytes: 400, seconds: 0.5)
        report.catalog = .init(namespaces: 2, digest: Hash128(high: 3, low: 4), index: LogIndex(9))
        report.fullSync = .init(
            stage: "fetch", reason: "empty", bytesDone: 5, bytesTotal: 10, filesDone: 1,
            filesTotal: 2, bytesPerSecond: 2.5, etaSeconds: 2, resumedBytes: 0)
        report.fullSyncs = 1
        report.partialSyncs = 2
        report.divergedEntries = 0
        report.vetoes = [.init(code: "full-sync", detail: "a full sync is at stage fetch: 50 %")]
        report.fullSyncBytesPerSecondMax = 1_000
        report.alarms = [
            .init(
                code: "catalog-differs", since: UnixMilliseconds(rawValue: 1_700_000_000_005),
                detail: "it differs", nextStep: "curl -X POST")
        ]
        report.lastError = .init(
            code: "timed-out", detail: "no byte for 3 s: idle",
            at: UnixMilliseconds(rawValue: 1_700_000_000_000))
        report.observedAt = UnixMilliseconds(rawValue: 1_700_000_001_000)
        return report
    }

    @Test func `a peer reads what a node says of itself`() throws {
        let report = full()
        let read = NodeReport(json: try JSONValue(parsing: report.json.serialized()))
        #expect(read == report)
    }

    @Test func `what is not known is null, and stays so`() throws {
        let report = NodeReport(name: "n3", address: nil)
        #expect(report.json["running"] == .null)
        #expect(report.json["position"] == .null)
        #expect(report.json["lag"] == .null)
        #expect(NodeReport(json: report.json) == report)
    }

    @Test func `a replica is in sync by state, lag, generation and digest together`() {
        var report = full()
        report.running?.state = .streaming
        report.lag = .init(entries: 0, bytes: 0, seconds: 0)
        report.alarms = []
        let rule = InSyncRule(
            primaryCatalog: report.catalog, generation: Generation(3), lagMax: .seconds(1))
        #expect(rule.holds(for: report))

        var behind = report
        behind.lag = .init(entries: 9, bytes: 9, seconds: 1.5)
        #expect(!rule.holds(for: behind))
        var unheard = report
        unheard.lag = nil
        #expect(!rule.holds(for: unheard))
        var older = report
        older.running?.generation = Generation(2)
        #expect(!rule.holds(for: older))
        var syncing = report
        syncing.running?.state = .fullSync
        #expect(!rule.holds(for: syncing))
        var different = report
        different.catalog?.digest = .zero
        #expect(!rule.holds(for: different))
        var alarmed = report
        alarmed.alarms = full().alarms
        #expect(!rule.holds(for: alarmed))
    }

    @Test func `why a replica is not in sync is told by each thing that is missing`() {
        var report = full()
        report.running?.state = .streaming
        report.lag = .init(entries: 0, bytes: 0, seconds: 0)
        report.alarms = []
        let rule = InSyncRule(
            primaryCatalog: report.catalog, generation: Generation(3), lagMax: .seconds(1))
        func reasons(_ change: (inout NodeReport) -> Void) -> [String] {
            var changed = report
            change(&changed)
            #expect(!rule.holds(for: changed))
            return rule.reasons(against: changed).map(\.code)
        }
        #expect(reasons { $0.running = nil } == ["unreachable"])
        #expect(reasons { $0.running?.state = .backoff } == ["not-streaming"])
        #expect(reasons { $0.running?.generation = Generation(2) } == ["generation-behind"])
        #expect(reasons { $0.lag?.seconds = 1.5 } == ["lagging"])
        #expect(reasons { $0.lag = nil } == ["lag-unknown"])
        #expect(reasons { $0.catalog?.index = LogIndex(8) } == ["catalog-behind"])
        #expect(reasons { $0.catalog?.digest = .zero } == ["catalog-differs"])
        #expect(
            reasons {
                $0.running?.state = .fullSync
                $0.lag = nil
            } == ["not-streaming", "lag-unknown"])
        report.running?.state = .backoff
        #expect(
            rule.reasons(against: report).first?.detail.contains("no byte for 3 s") == true,
            "with what went wrong")
    }

    @Test func `what a dead primary would cost is not known while who could tell is silent`() {
        func node(_ name: String, _ change: (inout NodeReport) -> Void = { _ in }) -> NodeReport {
            var report = NodeReport(name: name, address: nil)
            report.running = .init(
                role: .replica, state: .streaming, upstream: "n1",
                since: UnixMilliseconds(rawValue: 1), attempt: 0)
            report.position = Position(index: LogIndex(61), hash: .zero)
            report.lag = .init(entries: 3, bytes: 30, seconds: 0.1)
            change(&report)
            return report
        }
        let primary = node("n1")
        #expect(Node.exposure(nil, [node("n2")]) == nil)
        #expect(Node.exposure(primary, [node("n2")])?.entries == 3)
        #expect(Node.exposure(primary, [node("n2")])?.candidate == "n2")
        let alone = Node.exposure(primary, [])
        #expect(alone?.entries == 61 && alone?.candidate == nil)
        // Who lags may take over: what it lacks would be lost, not everything.
        let lagging = node("n2") {
            $0.lag = .init(entries: 40, bytes: 400, seconds: 1.4)
            $0.vetoes = [.init(code: "lagging", detail: "40 entries behind, 1.4 s")]
        }
        #expect(Node.exposure(primary, [lagging])?.entries == 40)
        #expect(Node.exposure(primary, [lagging])?.candidate == "n2")
        // One that has nothing yet is no help, and that is known.
        let empty = node("n2") { $0.vetoes = [.init(code: "empty", detail: "")] }
        #expect(Node.exposure(primary, [empty])?.entries == 61)
        for silent in [node("n2") { $0.running = nil }, node("n2") { $0.lag = nil }] {
            let found = Node.exposure(primary, [silent])
            #expect(found != nil && found?.entries == nil && found?.candidate == nil)
            // Who is heard counts, whoever else is not.
            #expect(Node.exposure(primary, [silent, node("n3")])?.candidate == "n3")
        }
    }
}
