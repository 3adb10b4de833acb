import JSON
import Platform
import Testing
import Topology

@testable import Node

@Suite struct EventSnapshotTests {
    private typealias Snapshot = EventSnapshot

    private func node(
        _ role: RunningRole? = .replica, _ state: RunningState = .streaming,
        fullSync: String? = nil,
        fullSyncs: UInt64? = 1
    ) -> Snapshot.NodeView {
        Snapshot.NodeView(
            running: role.map { Snapshot.Running(role: $0, state: state, upstream: "n1") },
            fullSync: fullSync, fullSyncs: fullSyncs,
            lastFullSync: NodeFacts.FinishedSync(
                reason: "empty", bytes: 17, seconds: 0.5,
                finishedAt: UnixMilliseconds(rawValue: 0)))
    }

    private func told(_ old: Snapshot, _ new: Snapshot) -> [String] {
        new.changes(since: old, of: "n1", at: UnixMilliseconds(rawValue: 0))
            .map { "\($0.kind.rawValue) \($0.what) \($0.subject): \($0.detail)" }
    }

    private func nodes(_ old: Snapshot.NodeView, _ new: Snapshot.NodeView) -> [String] {
        told(Snapshot(nodes: ["n2": old]), Snapshot(nodes: ["n2": new]))
    }

    @Test func `nothing is told of what stays as it is`() {
        let snapshot = Snapshot(
            nodes: ["n2": node()],
            links: ["a": .init(source: "n1", replica: "n2", state: "streaming")],
            alarms: [.init(node: "n2", code: "catalog-differs"): "x"], unreadiness: ["draining"],
            steps: ["op": [.init(name: "adopt", state: "running")]])
        #expect(told(snapshot, snapshot) == [])
    }

    @Test func `a node that is not reached any more, and one that is again`() {
        #expect(nodes(node(), node(nil)) == ["node unreachable n2: n2 does not answer."])
        #expect(
            nodes(node(nil), node()) == [
                "node reachable n2: n2 answers; it is replica, streaming."
            ])
        #expect(told(Snapshot(), Snapshot(nodes: ["n2": node()])) == [])
    }

    @Test func `roles go before states`() {
        #expect(
            nodes(node(.replica, .streaming), node(.primary, .serving)) == [
                "node role n2: n2 is primary now; it was replica."
            ])
        #expect(
            nodes(node(), node(.replica, .stalled)) == [
                "node state n2: n2: stalled now, streaming before."
            ])
    }

    @Test func `a full sync is told as it begins and when it is finished, each with its reason`() {
        let running = node(.replica, .fullSync, fullSync: "requested")
        #expect(
            nodes(node(), running) == [
                "node state n2: n2: full sync now, streaming before.",
                "link full-sync-begun n2: n2 begins a full sync from n1: requested.",
            ])
        #expect(
            nodes(running, node(fullSyncs: 2)) == [
                "node state n2: n2: streaming now, full sync before.",
                "link full-sync-finished n2: n2 has finished a full sync (empty) of 17 bytes.",
            ])
        #expect(nodes(node(nil, fullSyncs: nil), node(nil, fullSyncs: 7)) == [], "heard of late")
    }

    @Test func `links open, change and end`() {
        let link = Snapshot.LinkView(source: "n1", replica: "n2", state: "streaming")
        var stalled = link
        (stalled.state, stalled.trouble) = ("stalled", "the replica sends no reports")
        let (none, one) = (Snapshot(), Snapshot(links: ["7": link]))
        #expect(told(none, one) == ["link opened n2: The link from n1 to n2 begins."])
        #expect(
            told(one, Snapshot(links: ["7": stalled])) == [
                "link state n2: The link from n1 to n2 is stalled (the replica sends no reports)."
            ])
        #expect(
            told(one, Snapshot(links: ["8": link])) == [
                "link closed n2: The link from n1 to n2 has ended.",
                "link opened n2: The link from n1 to n2 begins.",
            ])
    }

    @Test func `alarms are raised and end`() {
        let alarm = Snapshot(alarms: [.init(node: "n2", code: "catalog-differs"): "they differ"])
        #expect(
            told(Snapshot(), alarm) == ["alarm raised n2: Alarm catalog-differs of n2: they differ"]
        )
        #expect(
            told(alarm, Snapshot()) == ["alarm ended n2: Alarm catalog-differs of n2 has ended."])
    }

    @Test func `readiness is told of this node alone, and once`() {
        let draining = Snapshot(unreadiness: ["draining"])
        #expect(
            told(Snapshot(), draining) == ["node not-ready n1: n1 cannot serve: draining."])
        #expect(told(draining, Snapshot(unreadiness: ["no-state"])) == [])
        #expect(told(draining, Snapshot()) == ["node ready n1: n1 can serve."])
    }

    @Test func `steps are told as they begin and end, and not those that wait`() {
        let before = Snapshot(
            steps: [
                "op": [.init(name: "hold", state: "running"), .init(name: "x", state: "pending")]
            ])
        let after = Snapshot(
            steps: [
                "op": [.init(name: "hold", state: "succeeded"), .init(name: "x", state: "running")]
            ])
        #expect(
            told(before, after) == [
                "operation step op: Step hold of operation op: succeeded.",
                "operation step op: Step x of operation op: running.",
            ])
    }
}
