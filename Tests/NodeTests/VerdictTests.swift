import JSON
import Log
import Platform
import Testing
import Topology

@testable import Node

/// The sentences that `GET /v1/sync` and the page say, state by state; the worst first.
@Suite struct VerdictTests {
    static let now = UnixMilliseconds(rawValue: 1_769_860_800_000)

    static func ago(_ seconds: UInt64) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: now.rawValue - seconds * 1_000)
    }

    static func node(
        _ name: String, _ state: RunningState? = .streaming, since: UInt64 = 3_600,
        observed: UInt64? = 0, lag: Double = 0, digest: UInt8 = 1,
        _ change: (inout NodeReport) -> Void = { _ in }
    ) -> NodeReport {
        let isPrimary = [.serving, .unconfirmed, .handingOver].contains(state)
        let role: RunningRole = isPrimary ? .primary : .replica
        let upstream = isPrimary ? nil : "n1"
        var report = NodeReport(name: name, address: "http://\(name):7070")
        report.configured = .init(role: role, upstream: upstream, generation: Generation(2))
        report.running = .init(
            role: role, state: state, upstream: upstream, since: ago(since), attempt: 0,
            generation: Generation(2), term: 1)
        report.lag = .init(entries: UInt64(lag * 100), bytes: 0, seconds: lag)
        report.catalog = .init(
            namespaces: 1, digest: Hash128(of: [digest]), index: LogIndex(1_100))
        report.namespacesInTrouble = .init()
        report.observedAt = observed.map(ago)
        change(&report)
        return report
    }

    static let n1 = node("n1", .serving)

    static func error(_ detail: String) -> NodeReport.Failure {
        .init(code: "timed-out", detail: detail, at: ago(1))
    }

    static func sync(
        _ nodes: [NodeReport], _ change: (inout SyncReport) -> Void = { _ in }
    ) -> SyncReport {
        let replicas = nodes.count { $0.configured?.role == .replica }
        var sync = SyncReport(
            inSync: true, inSyncReplicas: replicas, configuredReplicas: replicas, primary: "n1",
            converged: true, writable: true, nodes: nodes, observedAt: now)
        change(&sync)
        return sync
    }

    static func drift(
        _ kind: DriftItem.Kind, _ node: String, _ detail: String, since: UInt64 = 8
    ) -> (item: DriftItem, since: UnixMilliseconds) {
        let item = DriftItem(
            kind: kind, number: NodeNumber(rawValue: 2), node: node, detail: detail)
        return (item, ago(since))
    }

    static func verdict(
        _ nodes: [NodeReport], _ drift: [(item: DriftItem, since: UnixMilliseconds)] = [],
        own: String = "n1", _ change: (inout SyncReport) -> Void = { _ in }
    ) -> Verdict {
        Verdict(sync(nodes, change), drift: drift, own: own, now: now)
    }

    static func texts(
        _ nodes: [NodeReport], _ drift: [(item: DriftItem, since: UnixMilliseconds)] = [],
        own: String = "n1", _ change: (inout SyncReport) -> Void = { _ in }
    ) -> [String] {
        verdict(nodes, drift, own: own, change).items.map(\.text)
    }

    // MARK: - Well

    @Test func `all is well, alone and with replicas`() {
        #expect(
            Self.texts([Self.n1]) == [
                "All is well: n1 accepts writes. It has no replica, so its data is on this one node only."
            ])
        #expect(
            Self.texts([Self.n1, Self.node("n2"), Self.node("n3")]) == [
                "All is well: n1 accepts writes and 2 of 2 replicas are in sync."
            ])
        #expect(Self.verdict([Self.n1]).worst.level == .ok)
    }

    @Test func `who is not in sync is named, with the reason`() {
        let n2 = Self.node("n2") {
            $0.lacks = [.init(code: "lag-unknown", detail: "how far it is behind is not known")]
        }
        let found = Self.verdict([Self.n1, n2, Self.node("n3") { $0.lacks = [] }]) {
            $0.inSync = false
        }
        #expect(found.worst.level == .warn)
        #expect(
            found.items.map(\.text) == [
                "n2 is not in sync: how far it is behind is not known. Wait, or look at it."
            ])
    }

    @Test func `a replica that lacks the entry of this moment is in step`() {
        let n2 = Self.node("n2") {
            $0.lacks = [.init(code: "catalog-behind", detail: "its catalog is as of entry 7")]
        }
        let found = Self.verdict([Self.n1, n2]) {
            $0.inSync = false
            $0.inSyncReplicas = 0
        }
        #expect(
            found.items.map(\.text) == [
                "All is well: n1 accepts writes and 0 of 1 replica is in sync; the rest follow in a moment."
            ])
    }

    @Test func `who is not in sync is named beside what else is wrong`() {
        let n2 = Self.node("n2", lag: 0.2) {
            $0.lacks = [.init(code: "lagging", detail: "20 entries behind, 0.2 s")]
        }
        let n3 = Self.node("n3", observed: 30) {
            $0.lacks = [.init(code: "unreachable", detail: "the node does not answer")]
        }
        let found = Self.verdict([Self.n1, n2, n3]) { $0.inSync = false }
        #expect(found.items.map(\.code) == ["unheard", "not-in-sync"], "each once")
        #expect(found.items.map(\.node) == ["n3", "n2"])
    }

    @Test func `a link that has only just gone is no fault yet`() {
        let n2 = Self.node("n2", .connecting, since: 1) {
            $0.lacks = [.init(code: "not-streaming", detail: "its link is connecting")]
        }
        let found = Self.verdict([Self.n1, n2]) {
            $0.inSync = false
            $0.inSyncReplicas = 0
        }
        #expect(found.worst.level == .info)
        #expect(
            found.items.map(\.text) == [
                "n2 is not in sync: its link is connecting. It is tried again by itself."
            ])
    }

    @Test func `how far behind is lagging, the node's own limit says`() {
        let n2 = Self.node("n2", lag: 3) { $0.lacks = [] }
        #expect(Self.verdict([Self.n1, n2]).worst.code == "lagging")
        #expect(Self.verdict([Self.n1, n2]) { $0.inSyncLag = .seconds(10) }.worst.code == "well")
    }

    // MARK: - The primary

    @Test func `without a primary nothing can be written`() {
        #expect(
            Self.texts([Self.node("n1"), Self.node("n2")]) {
                $0.primary = nil
                $0.writable = false
            } == [
                "No node is primary, so nothing can be written: start the old primary again, or promote a replica."
            ])
        let undecided = Self.node("n1", nil, since: 4) { $0.running?.role = .undecided }
        #expect(
            Self.texts([undecided]) {
                $0.primary = nil
                $0.writable = false
            } == [
                "This node has not decided its role for 4 s, so nothing can be written: it does so by itself; else see its log."
            ])
        #expect(
            Self.texts([undecided, Self.node("n2")]) { $0.writable = false } == [
                "n1 asks the other nodes whether another one reigns for 4 s; nothing can be written until then."
            ])
    }

    @Test func `a primary that takes no writes says why`() {
        #expect(
            Self.texts([Self.n1]) {
                $0.writable = false
                $0.writeObstacles = [
                    .init(code: "disk-nearly-full", detail: "the disk is nearly full")
                ]
            } == ["n1 is primary but does not accept writes: the disk is nearly full."])
    }

    @Test func `a disk that is nearly full is said once, of whichever node`() {
        let alarm = NodeReport.Alarm(
            code: "disk-nearly-full", since: Self.ago(70), detail: "9 MiB are free on the disk",
            nextStep: "make room")
        func with(_ node: NodeReport) -> NodeReport {
            var node = node
            node.alarms = [alarm]
            return node
        }
        let found = Self.verdict([with(Self.n1), Self.node("n2")], own: "n2") {
            $0.writable = false
            $0.writeObstacles = Node.writeObstacles(of: with(Self.n1))
        }
        #expect(
            found.items.map(\.text) == [
                "n1 cannot answer writes with success for 1 min 10 s: 9 MiB are free on the disk. Next: make room."
            ])
        #expect(found.worst.since == Self.ago(70))
        let replica = Self.verdict([Self.n1, with(Self.node("n2"))])
        #expect(
            replica.items.map(\.text) == [
                "The disk of n2 has been nearly full for 1 min 10 s: 9 MiB are free on the disk. Next: make room."
            ])
        #expect(replica.worst.level == .warn)
    }

    @Test func `who did not answer a moment ago is no fault yet`() {
        func silent(_ observed: UInt64) -> NodeReport {
            Self.node("n1", .serving, observed: observed) { $0.running = nil }
        }
        func verdict(_ observed: UInt64) -> Verdict {
            Self.verdict([silent(observed), Self.node("n2")], own: "n2") { $0.writable = false }
        }
        #expect(
            verdict(2).items.map(\.text) == [
                "The primary n1 has not been heard for 2 s: it is asked again each second."
            ])
        #expect(verdict(2).worst.level == .info)
        #expect(verdict(3).worst.level == .bad)
        #expect(verdict(3).worst.text.hasPrefix("Nothing can be written"))
        let new = Self.node("n2", observed: nil) { $0.running = nil }
        func waiting(since: UInt64) -> Verdict {
            Self.verdict([Self.n1, new], [Self.drift(.nodeUnreachable, "n2", "x", since: since)])
        }
        #expect(waiting(since: 2).worst.level == .info)
        #expect(waiting(since: 3).worst.level == .bad)
    }

    @Test func `a silent primary explains what its replicas lack`() {
        let n1 = Self.node("n1", .serving, observed: 40) {
            $0.alarms = [
                .init(
                    code: "primary-unreachable", since: Self.ago(38), detail: "no answer",
                    nextStep: "x")
            ]
        }
        func failing(_ name: String, since: UInt64) -> NodeReport {
            Self.node(name, .connecting, since: 0) {
                $0.running?.failing = .backoff
                $0.running?.failingSince = Self.ago(since)
                $0.lastError = Self.error("connection refused")
            }
        }
        let (n2, n3) = (failing("n2", since: 38), failing("n3", since: 37))
        let drift = [
            Self.drift(.missingLink, "n2", "no link with n1", since: 38),
            Self.drift(.nodeUnreachable, "n1", "silent", since: 38),
        ]
        let found = Self.verdict([n1, n2, n3], drift, own: "n2") { $0.writable = false }
        #expect(
            found.items.map(\.text) == [
                "Nothing can be written: the primary n1 has not been heard for 40 s: start it again, or have a replica take over.",
                "n2 and n3 cannot follow n1 for 38 s: timed-out: connection refused; they try again by themselves.",
            ])
        #expect(found.items.map(\.code) == ["primary-silent", "backoff"])
        #expect(found.items.map(\.node) == ["n1", "n2"])
        #expect(found.items.map(\.since) == [Self.ago(40), Self.ago(38)])
    }

    @Test func `a primary whose replicas are too few says for how long, and who is missing`() {
        let n1 = Self.node("n1", .unconfirmed) {
            $0.alarms = [
                .init(
                    code: "replicas-missing", since: Self.ago(11), detail: "0 replicas are linked",
                    nextStep: "start the missing replicas")
            ]
        }
        let found = Self.verdict([n1, Self.node("n2", observed: 12)]) {
            $0.writable = false
            $0.writeObstacles = [
                .init(
                    code: "replicas-missing",
                    detail: "0 replicas are linked, and each write waits for 1")
            ]
        }
        #expect(
            found.items.map(\.text) == [
                "n1 cannot answer writes with success for 11 s: 0 replicas are linked, and each write waits for 1 (n2 missing). Next: start the missing replicas.",
                "n2 has not been heard for 12 s: check that it runs and can be reached at http://n2:7070.",
            ])
        #expect(found.worst.node == "n2")
    }

    @Test func `a change of the primary on its way is no fault`() {
        // It has streamed for long, and shall reign since a moment ago.
        func verdict(since: UInt64) -> Verdict {
            let drift = [Self.drift(.roleDiffers, "n2", "runs as replica", since: since)]
            return Self.verdict([Self.node("n1", .streaming, since: 0), Self.node("n2")], drift) {
                $0.primary = "n2"
                $0.writable = false
                $0.writeObstacles = [.init(code: "no-primary", detail: "no primary is known")]
            }
        }
        #expect(
            verdict(since: 1).items.map(\.text) == [
                "n2 is taking over as primary; writes wait until it has."
            ])
        #expect(verdict(since: 1).worst.level == .info)
        let late = verdict(since: 12).worst
        #expect(late.level == .bad)
        #expect(late.text.hasPrefix("n2 has not taken over as primary for 12 s, and nothing"))
    }

    @Test func `an alarm that is over, and a command, are not in the sentence`() {
        let n1 = Self.node("n1", .serving) {
            $0.alarms = [
                .init(
                    code: "primary-unreachable", since: Self.ago(12), detail: "no answer",
                    nextStep: "curl -X POST x")
            ]
        }
        #expect(Self.verdict([n1, Self.node("n2")]).worst.code == "well")
    }

    // MARK: - Notes

    @Test func `what a node gave up is said for a day`() {
        func n2(_ seconds: UInt64) -> NodeReport {
            Self.node("n2") {
                $0.divergedEntries = 7
                $0.lastFullSync = .init(
                    reason: "history-diverged", bytes: 1, seconds: 1, finishedAt: Self.ago(seconds))
            }
        }
        #expect(
            Self.texts([Self.n1, n2(130)]).last
                == "n2 gave up entries that only it had, 2 min 10 s ago (7 by now): convoy diverged shows them."
        )
        #expect(Self.verdict([Self.n1, n2(86_401)]).items.map(\.code) == ["well"])
    }

    @Test func `the API tells it with codes and times`() {
        let json = Self.verdict([Self.n1, Self.node("n2", .stalled, since: 15)]).json
        #expect(json.arrayValue?.count == 1)
        #expect(json.arrayValue?[0]["level"] == "bad")
        #expect(json.arrayValue?[0]["code"] == "stalled")
        #expect(json.arrayValue?[0]["node"] == "n2")
        #expect(json.arrayValue?[0]["namespace"] == .null)
        #expect(json.arrayValue?[0]["since"]?.stringValue == Self.ago(15).rfc3339)
    }
}
