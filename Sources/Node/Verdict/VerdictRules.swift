import Platform
import Topology

extension Verdict {
    /// Of the cluster as the node `own` knows it. Pure.
    init(
        _ sync: SyncReport, drift: [(item: DriftItem, since: UnixMilliseconds)], own: String,
        now: UnixMilliseconds
    ) {
        var rules = VerdictRules(sync: sync, drift: drift, own: own, now: now)
        rules.judgeCluster()
        rules.judgeNodes()
        rules.judgeNamespaces()
        rules.judgeDrift()
        rules.judgeNotInSync()
        rules.addNotes()
        items = rules.ordered
    }
}

/// Finds what is wrong, thing by thing; each of the rules adds what it finds.
struct VerdictRules {
    let sync: SyncReport
    let drift: [(item: DriftItem, since: UnixMilliseconds)]
    let own: String
    let now: UnixMilliseconds
    private var found: [(rank: Rank, item: Verdict.Item)] = []
    /// Nodes of which something was said that explains what differs.
    private(set) var told: Set<String> = []

    /// What comes first among things of one level.
    enum Rank: Int {
        case primary, writable, alarm, silentPrimary, outside, catalog, unconfirmed, link,
            connecting
        case quota, softQuota, claim, drift, explainedDrift, lag, notInSync, fullSync, well, note
    }

    init(
        sync: SyncReport, drift: [(item: DriftItem, since: UnixMilliseconds)], own: String,
        now: UnixMilliseconds
    ) {
        self.sync = sync
        self.drift = drift
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

    /// The worst first; that all is well, when there is nothing but notes.
    var ordered: [Verdict.Item] {
        var all = found
        if !all.contains(where: { $0.item.level != .note }) { all.append((.well, nothingFound)) }
        return all.enumerated().sorted { a, b in
            (a.element.item.level, a.element.rank.rawValue, a.offset)
                < (b.element.item.level, b.element.rank.rawValue, b.offset)
        }
        .map(\.element.item)
    }

    private var nothingFound: Verdict.Item {
        let name = sync.primary ?? own
        guard sync.configuredReplicas > 0 else {
            return Verdict.Item(
                level: .ok, code: "alone",
                text:
                    "All is well: \(name) accepts writes. It has no replica, so its data is on this one node only."
            )
        }
        let verb = sync.configuredReplicas == 1 ? "replica is" : "replicas are"
        let rest =
            sync.inSyncReplicas < sync.configuredReplicas ? "; the rest follow in a moment" : ""
        return Verdict.Item(
            level: .ok, code: "well",
            text:
                "All is well: \(name) accepts writes and \(sync.inSyncReplicas) of \(sync.configuredReplicas) \(verb) in sync\(rest)."
        )
    }

    // MARK: - Words

    func lasting(_ since: UnixMilliseconds?) -> String { Wording.lasting(since, now) }

    /// It did not answer this moment, or has not been asked yet: that passes, or is said in a few seconds.
    func isBrief(_ node: NodeReport) -> Bool {
        let since =
            node.observedAt
            ?? drift.first { $0.item.node == node.name && $0.item.kind == .nodeUnreachable }?.since
        guard let since else { return node.configured?.role != nil }
        return Wording.secondsSince(since, now) < VerdictRules.silentSeconds
    }

    /// As the alarm `primary-unreachable`.
    private static let silentSeconds = 3.0

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
        for node in sync.nodes { for alarm in node.alarms { judge(alarm, of: node) } }
    }

    private mutating func judge(_ alarm: NodeReport.Alarm, of node: NodeReport) {
        let name = node.name
        var difference = ""
        var level = Verdict.Level.bad
        var next = alarm.nextStep
        switch AlarmCode(rawValue: alarm.code) {
        case .primaryUnreachable:
            // Said already, or over, and the alarm will end in a moment.
            if told.contains(name) || (!isOld(node) && node.running?.role == .primary) { return }
            next = "start it again, or have a replica take over"
        case .replicasMissing, .isolated:
            if told.contains(name) { return }
        case .diskNearlyFull:
            if told.contains(name) { return }
            if name != sync.primary { level = .warn }
        case .catalogDiffers:
            difference = node.catalogDifferences.map { ": \($0.text)" } ?? ""
            next = "resync \(name)"
        case .historyDamaged: next = "resync \(name)"
        case .positionNotRetained, nil: break
        }
        add(
            .alarm, level, alarm.code,
            "\(word(alarm, of: name))\(lasting(alarm.since)): \(Wording.humane(alarm.detail, now))\(difference). Next: \(next).",
            node: name, since: alarm.since)
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
            let primary = primary ?? sync.nodes.first { $0.name == name }
            let long = primary.map(unheard) ?? "has not been heard yet"
            if let primary, isBrief(primary) {
                return add(
                    .writable, .info, "primary-silent",
                    "The primary \(name) \(long): it is asked again each second.", node: name)
            }
            return add(
                .writable, .bad, "primary-silent",
                "Nothing can be written: the primary \(name) \(long): start it again, or have a replica take over.",
                node: name, since: primary?.observedAt)
        }
        let since = primary.running?.since
        switch (primary.running?.role, primary.running?.state) {
        case (.undecided, _):
            let error = primary.lastError.map { ": \(Wording.brief($0.text))" } ?? ""
            add(
                .writable, .warn, "undecided",
                "\(name) asks the other nodes whether another one reigns\(lasting(since))\(error); nothing can be written until then.",
                node: name, since: since)
        case (.primary, .handingOver):
            add(
                .writable, .info, "handing-over",
                "\(name) is handing over to another node; writes wait until it is done.",
                node: name, since: since)
        case (.replica, _):
            // Since when it shall reign and does not; for a moment nobody has noticed yet.
            let since = drift.first { $0.item.node == name && $0.item.kind == .roleDiffers }?.since
            let isLate = since.map { Wording.secondsSince($0, now) > 10 } ?? false
            tell(name)
            add(
                .writable, isLate ? .bad : .info, "taking-over",
                isLate
                    ? "\(name) has not taken over as primary\(lasting(since)), and nothing can be written: look at its log, or have another replica take over."
                    : "\(name) is taking over as primary; writes wait until it has.",
                node: name, since: since)
        case (.primary, _), (nil, _):
            judgeObstacle(of: primary)
        }
    }

    /// The primary reigns, and still no write would be answered with success.
    private mutating func judgeObstacle(of primary: NodeReport) {
        let name = primary.name
        let obstacle = sync.writeObstacles.first
        let alarm = primary.alarms.first { $0.code == obstacle?.code }
        guard let obstacle, let alarm else {
            let why =
                obstacle?.detail ?? primary.lastError.map { Wording.brief($0.text) }
                ?? "look at its disk and its replicas"
            return add(
                .writable, .bad, "not-writable",
                "\(name) is primary but does not accept writes: \(why).", node: name)
        }
        tell(name)
        let isOfReplicas = obstacle.code != AlarmCode.diskNearlyFull.rawValue
        let missing = sync.nodes.filter {
            isOfReplicas && $0.configured?.role == .replica
                && (isOld($0) || $0.running?.state != .streaming)
        }
        let who =
            missing.isEmpty
            ? "" : " (\(Wording.names(missing.prefix(3).map(\.name), of: missing.count)) missing)"
        add(
            .writable, .bad, obstacle.code,
            "\(name) cannot answer writes with success\(lasting(alarm.since)): \(obstacle.detail)\(who). Next: \(alarm.nextStep).",
            node: missing.first?.name ?? name, since: alarm.since)
    }

    private func word(_ alarm: NodeReport.Alarm, of node: String) -> String {
        switch AlarmCode(rawValue: alarm.code) {
        case .catalogDiffers: "\(node) has had another catalog than its primary"
        case .primaryUnreachable: "The primary \(node) has been silent"
        case .positionNotRetained: "\(node) has been falling behind the log that is kept for it"
        case .replicasMissing: "\(node) has had too few replicas for its writes"
        case .isolated: "\(node) has been cut off from its replicas and refuses writes"
        case .historyDamaged: "\(node) has had another history than its upstream"
        case .diskNearlyFull: "The disk of \(node) has been nearly full"
        case nil: "\(node): \(alarm.code)"
        }
    }
}

// MARK: - Configured beside running

extension VerdictRules {
    /// What differs for a shorter time is a change on its way.
    private static let driftSecondsMin = 3.0

    mutating func judgeDrift() {
        for (item, since) in isApart ? [] : drift {
            let seconds = Wording.secondsSince(since, now)
            guard seconds >= VerdictRules.driftSecondsMin else { continue }
            let node = sync.nodes.first { $0.name == item.node }
            // An alarm says it already, and nothing brings it into line by itself; nor a claim.
            let isAlarm = node?.alarms.contains { $0.code == item.kind.rawValue } ?? false
            let isClaim = node?.running?.claim != nil
            // These come of themselves when a node does not answer or cannot connect.
            let isExplained = item.kind == .missingLink || item.kind == .nodeUnreachable
            if isAlarm || isClaim || (isExplained && told.contains(item.node)) { continue }
            let detail = Wording.humane(Wording.brief(item.detail), now)
            let text = detail.hasPrefix(item.node) ? detail : "\(item.node): \(detail)"
            let action = Wording.capital(item.action)
            add(
                isExplained ? .explainedDrift : .drift, .warn, item.kind.rawValue,
                "For \(Wording.age(seconds)), what runs has differed from what is configured: \(text). \(action).",
                node: item.node, since: since)
        }
    }
}
