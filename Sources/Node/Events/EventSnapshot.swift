import JSON
import Platform
import Topology

/// What this node knows of the cluster at one moment, as far as events tell of it.
///
/// Two of them in a row, compared, are events (``changes(since:at:)``): nobody who changes something has
/// to think of telling it, and nobody waits for it to be told. What begins and ends between two looks
/// is not seen; what entries do is told by ``EventWording`` instead, entry by entry.
struct EventSnapshot: Equatable, Sendable {
    /// By name.
    var nodes: [String: NodeView] = [:]
    /// By id, which is new with each session.
    var links: [String: LinkView] = [:]
    var alarms: [AlarmID: String] = [:]
    /// Why this node cannot serve; empty when it can.
    var unreadiness: [String] = []
    /// The steps of operations that run, by operation.
    var steps: [String: [StepView]] = [:]

    struct NodeView: Equatable, Sendable {
        /// Nil while the node is not reached.
        var running: Running?
        /// The reason of the full sync that it receives.
        var fullSync: String?
        /// Full syncs that it has finished; nil while unknown.
        var fullSyncs: UInt64?
        var lastFullSync: NodeFacts.FinishedSync?
    }

    struct Running: Equatable, Sendable {
        var role: RunningRole
        /// Nil while the role is undecided.
        var state: RunningState?
        var upstream: String?
    }

    struct LinkView: Equatable, Sendable {
        var source: String
        var replica: String
        var state: String
        var trouble: String?
    }

    struct AlarmID: Hashable, Comparable, Sendable {
        var node: String
        var code: String

        static func < (a: AlarmID, b: AlarmID) -> Bool { (a.node, a.code) < (b.node, b.code) }
    }

    struct StepView: Equatable, Sendable {
        var name: String
        var state: String
    }
}

extension EventSnapshot {
    /// What has happened since `old`, as far as both know.
    func changes(since old: EventSnapshot, of own: String, at now: UnixMilliseconds) -> [Event] {
        nodeChanges(old, now) + readinessChanges(old, own, now) + linkChanges(old, now)
            + alarmChanges(old, now) + stepChanges(old, now)
    }

    private func nodeChanges(_ old: EventSnapshot, _ now: UnixMilliseconds) -> [Event] {
        nodes.sorted { $0.key < $1.key }.flatMap { name, node -> [Event] in
            // Of a node that was not known before there is nothing to compare.
            guard let before = old.nodes[name] else { return [] }
            return EventSnapshot.changes(of: name, before, node, now)
                + EventSnapshot.fullSyncs(of: name, before, node, now)
        }
    }

    private static func changes(
        of name: String, _ old: NodeView, _ new: NodeView, _ now: UnixMilliseconds
    ) -> [Event] {
        switch (old.running, new.running) {
        case (nil, nil): return []
        case (_?, nil):
            return [Event(.node, "unreachable", name, at: now, "\(name) does not answer.")]
        case (nil, let running?):
            return [
                Event(
                    .node, "reachable", name, at: now,
                    "\(name) answers; it is \(running.role.rawValue)\(running.stateWord).",
                    running.data)
            ]
        case (let before?, let running?):
            guard before.role == running.role else {
                var data = running.data
                data["before"] = .string(before.role.rawValue)
                return [
                    Event(
                        .node, "role", name, at: now,
                        "\(name) is \(running.role.rawValue) now; it was \(before.role.rawValue).",
                        data)
                ]
            }
            guard before.state != running.state, let state = running.state, let old = before.state
            else { return [] }
            var data = running.data
            data["before"] = .string(old.rawValue)
            return [
                Event(
                    .node, "state", name, at: now,
                    "\(name): \(Wording.word(state)) now, \(Wording.word(old)) before.",
                    data)
            ]
        }
    }

    private static func fullSyncs(
        of name: String, _ old: NodeView, _ new: NodeView, _ now: UnixMilliseconds
    ) -> [Event] {
        var events: [Event] = []
        let source = new.running?.upstream
        if let reason = new.fullSync, old.fullSync == nil {
            events.append(
                Event(
                    .link, "full-sync-begun", name, at: now,
                    "\(name) begins a full sync from \(source ?? "its upstream"): \(reason).",
                    [
                        "source": .orNull(source), "replica": .string(name),
                        "reason": .string(reason),
                    ]
                ))
        }
        if let before = old.fullSyncs, let count = new.fullSyncs, count > before,
            let sync = new.lastFullSync
        {
            events.append(
                Event(
                    .link, "full-sync-finished", name, at: now,
                    "\(name) has finished a full sync (\(sync.reason)) of \(sync.bytes) bytes.",
                    [
                        "source": .orNull(source), "replica": .string(name),
                        "reason": .string(sync.reason), "bytes": JSONValue(sync.bytes),
                        "seconds": .number(sync.seconds),
                    ]))
        }
        return events
    }

    private func readinessChanges(
        _ old: EventSnapshot, _ own: String, _ now: UnixMilliseconds
    ) -> [Event] {
        guard old.unreadiness.isEmpty != unreadiness.isEmpty else { return [] }
        if unreadiness.isEmpty {
            return [Event(.node, "ready", own, at: now, "\(own) can serve.")]
        }
        return [
            Event(
                .node, "not-ready", own, at: now,
                "\(own) cannot serve: \(unreadiness.joined(separator: ", ")).",
                ["reasons": .array(unreadiness.map { .string($0) })])
        ]
    }

    private func linkChanges(_ old: EventSnapshot, _ now: UnixMilliseconds) -> [Event] {
        let ids = Set(links.keys).union(old.links.keys).sorted()
        return ids.compactMap { id -> Event? in
            switch (old.links[id], links[id]) {
            case (nil, let link?):
                return link.event("opened", id, at: now, "begins", before: nil)
            case (let link?, nil):
                return link.event("closed", id, at: now, "has ended", before: link.state)
            case (let before?, let link?) where before.state != link.state:
                let trouble = link.trouble.map { " (\($0))" } ?? ""
                return link.event(
                    "state", id, at: now, "\(EventSnapshot.phrase(link.state))\(trouble)",
                    before: before.state)
            case (_?, _?), (nil, nil):
                return nil
            }
        }
    }

    /// What a link does, after its name.
    private static func phrase(_ state: String) -> String {
        switch RunningState(rawValue: state) {
        case .fullSync: "is in a full sync"
        case .backoff: "cannot connect"
        case let known?: "is \(Wording.word(known))"
        case nil: "is \(state)"
        }
    }

    private func alarmChanges(_ old: EventSnapshot, _ now: UnixMilliseconds) -> [Event] {
        let raised = alarms.filter { old.alarms[$0.key] == nil }.sorted { $0.key < $1.key }
        let ended = old.alarms.filter { alarms[$0.key] == nil }.sorted { $0.key < $1.key }
        return raised.map { id, detail in
            Event(
                .alarm, "raised", id.node, at: now, "Alarm \(id.code) of \(id.node): \(detail)",
                ["code": .string(id.code)])
        }
            + ended.map { id, _ in
                Event(
                    .alarm, "ended", id.node, at: now, "Alarm \(id.code) of \(id.node) has ended.",
                    ["code": .string(id.code)])
            }
    }

    private func stepChanges(_ old: EventSnapshot, _ now: UnixMilliseconds) -> [Event] {
        steps.sorted { $0.key < $1.key }.flatMap { id, steps -> [Event] in
            let before = old.steps[id] ?? []
            return steps.filter { $0.state != "pending" && !before.contains($0) }.map { step in
                Event(
                    .operation, "step", id, at: now,
                    "Step \(step.name) of operation \(id): \(step.state).",
                    ["step": .string(step.name), "state": .string(step.state)])
            }
        }
    }
}

extension EventSnapshot.Running {
    fileprivate var stateWord: String { state.map { ", \(Wording.word($0))" } ?? "" }

    fileprivate var data: JSONObject {
        [
            "role": .string(role.rawValue), "state": .orNull(state?.rawValue),
            "upstream": .orNull(upstream),
        ]
    }
}

extension EventSnapshot.LinkView {
    fileprivate func event(
        _ what: String, _ id: String, at now: UnixMilliseconds, _ words: String, before: String?
    ) -> Event {
        Event(
            .link, what, replica, at: now, "The link from \(source) to \(replica) \(words).",
            [
                "link": .string(id), "source": .string(source), "replica": .string(replica),
                "state": what == "closed" ? .null : .string(state), "before": .orNull(before),
                "last_error": .orNull(trouble),
            ])
    }
}
