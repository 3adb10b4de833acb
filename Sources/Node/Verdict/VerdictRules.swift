import Platform
import Topology

extension Verdict {
    /// Of the cluster as the node `own` knows it. Pure.
    init(
        _ sync: SyncReport, drift: [(item: DriftItem, since: UnixMilliseconds)], own: String,
        now: UnixMilliseconds
    ) {
        var rules = VerdictRules(sync: sync, own: own, now: now)
        rules.judgeCluster()
        rules.judgeNodes()
        rules.judgeNamespaces()
        rules.judgeDrift(drift)
        items = rules.ordered
    }
}

/// Finds what is wrong, thing by thing; each of the rules adds what it finds.
struct VerdictRules {
    let sync: SyncReport
    let own: String
    let now: UnixMilliseconds
    private var found: [(rank: Rank, item: Verdict.Item)] = []
    /// Nodes of which something was said that explains what differs.
    private(set) var told: Set<String> = []

    /// What comes first among things of one level.
    enum Rank: Int {
        case primary, writable, alarm, silentPrimary, outside, catalog, unconfirmed, link,
            connecting
        case quota, softQuota, drift, explainedDrift, lag, fullSync
    }

    init(sync: SyncReport, own: String, now: UnixMilliseconds) {
        self.sync = sync
        self.own = own
        self.now = now
    }

    var primary: NodeReport? { sync.nodes.first { $0.name == sync.primary } }
    var ownReport: NodeReport? { sync.nodes.first { $0.name == own } }

    /// Who is outside the topology looks at no other node.
    var isApart: Bool {
        let state = ownReport?.running?.state
        return state == .detached || state == .fenced
    }

    mutating func add(
        _ rank: Rank, _ level: Verdict.Level, _ code: String, _ text: String, node: String? = nil,
        namespace: String? = nil, since: UnixMilliseconds? = nil
    ) {
        let item = Verdict.Item(
            level: level, code: code, text: text, node: node, namespace: namespace, since: since)
        found.append((rank, item))
    }

    /// That what is said of this node explains what differs there.
    mutating func tell(_ node: String) { told.insert(node) }

    /// The worst first; that all is well, when nothing is found.
    var ordered: [Verdict.Item] {
        let sorted = found.enumerated().sorted { a, b in
            (a.element.item.level, a.element.rank.rawValue, a.offset)
                < (b.element.item.level, b.element.rank.rawValue, b.offset)
        }
        return sorted.isEmpty ? [nothingFound] : sorted.map(\.element.item)
    }

    private var nothingFound: Verdict.Item {
        guard sync.inSync || sync.configuredReplicas == 0 else {
            return Verdict.Item(
                level: .warn, code: "not-in-sync",
                text: "Not every replica is in sync yet; wait, or look at the nodes below.")
        }
        let name = sync.primary ?? own
        let notes = namespaceNotes.map { " \($0)" } ?? ""
        guard sync.configuredReplicas > 0 else {
            return Verdict.Item(
                level: .ok, code: "alone",
                text:
                    "All is well: \(name) accepts writes. It has no replica, so its data is on this one node only.\(notes)"
            )
        }
        let verb = sync.configuredReplicas == 1 ? "replica is" : "replicas are"
        return Verdict.Item(
            level: .ok, code: "well",
            text:
                "All is well: \(name) accepts writes and \(sync.inSyncReplicas) of \(sync.configuredReplicas) \(verb) in sync.\(notes)"
        )
    }

    // MARK: - Words

    func lasting(_ since: UnixMilliseconds?) -> String { Wording.lasting(since, now) }

    /// Nothing was heard of it lately, so that what is known of it says nothing of now.
    func isOld(_ node: NodeReport) -> Bool {
        guard node.running != nil, let seen = node.observedAt else { return true }
        return Wording.secondsSince(seen, now) > Wording.oldAfterSeconds
    }

    func unheard(_ node: NodeReport) -> String {
        node.observedAt.map {
            "has not been heard for \(Wording.age(Wording.secondsSince($0, now)))"
        } ?? "has not been heard yet"
    }
}

// MARK: - The cluster

extension VerdictRules {
    mutating func judgeCluster() {
        if !isApart { judgePrimary() }
        for node in sync.nodes {
            for alarm in node.alarms {
                if alarm.code == AlarmCode.primaryUnreachable.rawValue, told.contains(node.name) {
                    continue
                }
                let isOfCatalog = alarm.code == AlarmCode.catalogDiffers.rawValue
                let difference = isOfCatalog ? node.catalogDifferences.map { ": \($0.text)" } : nil
                add(
                    .alarm, .bad, alarm.code,
                    "\(word(alarm, of: node.name))\(lasting(alarm.since)): \(Wording.humane(alarm.detail, now))\(difference ?? ""). Next: \(alarm.nextStep)",
                    node: node.name, since: alarm.since)
            }
        }
    }

    private mutating func judgePrimary() {
        guard let name = sync.primary else {
            let isUndecided = ownReport?.running?.role == .undecided
            let since = isUndecided ? ownReport?.running?.since : nil
            return add(
                .primary, .bad, "no-primary",
                sync.nodes.count > 1
                    ? "No node is primary\(lasting(since)), so nothing can be written: start the old primary again, or promote a replica."
                    : "This node has not decided its role\(lasting(since)), so nothing can be written: it does so by itself; else see its log.",
                since: since)
        }
        if sync.writable == false { judgeWrites(name) }
    }

    private mutating func judgeWrites(_ name: String) {
        guard let primary, !isOld(primary) else {
            tell(name)
            let long = primary.map(unheard) ?? "has not been heard yet"
            return add(
                .writable, .bad, "primary-silent",
                "Nothing can be written: the primary \(name) \(long): start it again, or have a replica take over.",
                node: name, since: primary?.observedAt)
        }
        let since = primary.running?.since
        if primary.running?.role == .undecided {
            let error = primary.lastError.map { ": \(Wording.brief($0.text))" } ?? ""
            add(
                .writable, .warn, "undecided",
                "\(name) asks the other nodes whether another one reigns\(lasting(since))\(error); nothing can be written until then.",
                node: name, since: since)
        } else if primary.running?.state == .handingOver {
            add(
                .writable, .warn, "handing-over",
                "\(name) is handing over to another node; writes wait until it is done.",
                node: name, since: since)
        } else {
            let why =
                sync.writeObstacles.first?.detail
                ?? primary.lastError.map { Wording.brief($0.text) }
                ?? "look at its disk and its replicas"
            add(
                .writable, .bad, "not-writable",
                "\(name) is primary but does not accept writes: \(why).", node: name)
        }
    }

    private func word(_ alarm: NodeReport.Alarm, of node: String) -> String {
        switch AlarmCode(rawValue: alarm.code) {
        case .catalogDiffers: "\(node) has had another catalog than its primary"
        case .primaryUnreachable: "The primary \(node) has been silent"
        case .positionNotRetained: "\(node) has been falling behind the log that is kept for it"
        case .replicasMissing: "\(node) has had too few replicas for its writes"
        case .isolated: "\(node) has been cut off from its replicas and refuses writes"
        case .historyDamaged: "\(node) has had another history than its upstream"
        case nil: "\(node): \(alarm.code)"
        }
    }
}

// MARK: - Configured beside running

extension VerdictRules {
    mutating func judgeDrift(_ drift: [(item: DriftItem, since: UnixMilliseconds)]) {
        for (item, since) in isApart ? [] : drift {
            // An alarm says it already, and nothing brings it into line by itself.
            let isAlarm = sync.nodes.contains { node in
                node.name == item.node && node.alarms.contains { $0.code == item.kind.rawValue }
            }
            // These come of themselves when a node does not answer or cannot connect.
            let isExplained = item.kind == .missingLink || item.kind == .nodeUnreachable
            if isAlarm || (isExplained && told.contains(item.node)) { continue }
            let detail = Wording.humane(Wording.brief(item.detail), now)
            let text = detail.hasPrefix(item.node) ? detail : "\(item.node): \(detail)"
            let long = Wording.age(Wording.secondsSince(since, now))
            let action = Wording.capital(item.action)
            add(
                isExplained ? .explainedDrift : .drift, .warn, item.kind.rawValue,
                "For \(long), what runs has differed from what is configured: \(text). \(action).",
                node: item.node, since: since)
        }
    }
}
