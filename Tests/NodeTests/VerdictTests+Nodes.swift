import Log
import Platform
import Testing
import Topology

@testable import Node

/// Of nodes, their links and alarms, and what differs from what is configured.
extension VerdictTests {
    @Test func `who is outside the topology speaks of itself alone`() {
        let n1 = Self.node("n1", .serving, observed: nil)
        let n2 = Self.node("n2", .detached, since: 9)
        #expect(
            Self.texts([n1, n2], own: "n2") { $0.writable = nil } == [
                "n2 has been detached for 9 s: it is not in the topology and follows nobody; add it again, or stop it."
            ])
    }

    static let troubles: [(n2: NodeReport, expected: String)] = [
        (
            node("n2", observed: 73),
            "n2 has not been heard for 1 min 13 s: check that it runs and can be reached at http://n2:7070."
        ),
        (
            node("n2", observed: nil),
            "n2 has not been heard yet: it is asked again each second."
        ),
        (
            node("n2", observed: 2) { $0.running = nil },
            "n2 has not been heard for 2 s: it is asked again each second."
        ),
        (
            node("n2", .backoff, since: 42) { $0.lastError = error("connection refused.") },
            "n2 cannot follow n1 for 42 s: timed-out: connection refused; it tries again by itself."
        ),
        (
            node("n2", .stalled, since: 15),
            "n2 has made no progress for 15 s: look at its log and at the way to n1."
        ),
        (node("n2", .connecting, since: 3), "n2 is connecting to n1 for 3 s."),
        (
            node("n2", .fullSync, since: 9) {
                $0.fullSync = .init(
                    stage: "fetch", reason: "empty", bytesDone: 450, bytesTotal: 1_000,
                    filesDone: 1,
                    etaSeconds: 11.2, resumedBytes: 0)
            },
            "n2 has been in a full sync from n1 for 9 s: 45 % done, about 12 s left; nothing to do but wait."
        ),
        (
            node("n2", .fullSync, since: 1) {
                $0.fullSync = .init(
                    stage: "fetch", reason: "empty", bytesDone: 280, bytesTotal: 1_000,
                    filesDone: 1,
                    etaSeconds: nil, resumedBytes: 0)
                $0.running?.failing = .stalled
                $0.running?.failingSince = ago(29)
            },
            "The full sync of n2 from n1 has made no progress for 29 s (28 % done): its upstream is silent; it goes on by itself where it was."
        ),
        (
            node("n2") {
                $0.configured?.upstream = "n3"
                $0.running?.claim = .init(upstream: "n1", since: ago(35))
            },
            "n2 follows n1 by a claim of its own for 35 s; configured is n3: set its upstream to end that."
        ),
        (
            node("n2", digest: 2),
            "n2 has other namespaces than n1 at entry 1,100: resync n2."
        ),
        (
            node("n2", lag: 12.4),
            "n2 is 12 s behind (1,240 entries): if it does not catch up, look at its disk and network."
        ),
    ]

    @Test func `a node in trouble says what, since when and what to do`() {
        for (n2, expected) in Self.troubles { #expect(Self.texts([Self.n1, n2]) == [expected]) }
    }

    @Test func `a full sync does not hide a lost replica`() {
        let found = Self.verdict([
            Self.n1, Self.node("n2", .fullSync), Self.node("n3", observed: 30),
        ])
        #expect(found.items.map(\.level) == [.bad, .info])
        #expect(found.items.map(\.node) == ["n3", "n2"])
    }

    // MARK: - Alarms and drift

    @Test func `an alarm is said once, with its next step`() {
        let alarm = NodeReport.Alarm(
            code: "catalog-differs", since: Self.ago(12),
            detail: "the catalog of n2 is not that of n1",
            nextStep: "curl -X POST http://n1:7070/v1/nodes/n2/resync")
        let n2 = Self.node("n2", digest: 2) { $0.alarms = [alarm] }
        #expect(
            Self.texts([Self.n1, n2], [Self.drift(.catalogDiffers, "n2", "Its digest differs.")])
                == [
                    "n2 has had another catalog than its primary for 12 s: the catalog of n2 is not that of n1. Next: resync n2."
                ])
    }

    @Test func `what differs is said with its age, and times in it are ages, too`() {
        #expect(
            Self.texts(
                [Self.n1, Self.node("n2")],
                [
                    Self.drift(
                        .roleDiffers, "n2", "n2 is primary since \(Self.ago(65).rfc3339)")
                ]) == [
                    "For 8 s, what runs has differed from what is configured: n2 is primary for 1 min 5 s. The node changes its role as soon as it has heard of this generation."
                ])
    }
}
