import Log
import Node
import Platform
import Topology

/// The one sentence of the page's head, as the server says it before the script runs: the worst that is
/// wrong, or that all is well. The same sentences as in `problems` of public/problems.js, in the same order;
/// the browser's tests compare them. Pure.
struct Verdict: Equatable {
    enum Level: String, Comparable {
        case bad, warn, info, ok

        private var rank: Int {
            switch self {
            case .bad: 0
            case .warn: 1
            case .info: 2
            case .ok: 3
            }
        }

        static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }

        var symbol: String {
            switch self {
            case .bad: "✕"
            case .warn: "!"
            case .info: "↻"
            case .ok: "✓"
            }
        }
    }

    var level: Level
    /// Among those of one level, the lowest comes first.
    var rank: Double
    var text: String

    /// Of the cluster as the node `own` knows it.
    init(
        _ sync: SyncReport, drift: [(item: DriftItem, since: UnixMilliseconds)], own: String,
        now: UnixMilliseconds
    ) {
        var found = Problems(sync: sync, own: own, now: now)
        found.addCluster()
        found.addNodes()
        found.addDrift(drift)
        self = found.worst
    }

    fileprivate init(level: Level, rank: Double, text: String) {
        self.level = level
        self.rank = rank
        self.text = text
    }
}

/// What is wrong, as it is found.
private struct Problems {
    let sync: SyncReport
    let own: String
    let now: UnixMilliseconds
    var found: [Verdict] = []
    /// Nodes of which something was said that explains what differs.
    var told: Set<String> = []

    init(sync: SyncReport, own: String, now: UnixMilliseconds) {
        self.sync = sync
        self.own = own
        self.now = now
    }

    private var primary: NodeReport? { sync.nodes.first { $0.name == sync.primary } }
    private var replicas: [NodeReport] {
        sync.nodes.filter { $0.configured?.role == .replica }
    }

    /// Who is outside the topology looks at no other node.
    private var isApart: Bool {
        let state = sync.nodes.first { $0.name == own }?.running?.state
        return state == .detached || state == .fenced
    }

    mutating func add(_ rank: Double, _ level: Verdict.Level, _ text: String) {
        found.append(Verdict(level: level, rank: rank, text: text))
    }

    var worst: Verdict {
        let worst = found.min { ($0.level, $0.rank) < ($1.level, $1.rank) }
        return worst ?? allIsWell
    }

    private var allIsWell: Verdict {
        let name = sync.primary ?? own
        if replicas.isEmpty {
            return Verdict(
                level: .ok, rank: 0,
                text:
                    "All is well: \(name) accepts writes. It has no replica, so its data is on this one node only."
            )
        }
        if !sync.inSync {
            return Verdict(
                level: .warn, rank: 9,
                text: "Not every replica is in sync yet; wait, or look at the nodes below.")
        }
        let verb = replicas.count == 1 ? "replica is" : "replicas are"
        return Verdict(
            level: .ok, rank: 0,
            text:
                "All is well: \(name) accepts writes and \(sync.inSyncReplicas) of \(replicas.count) \(verb) in sync."
        )
    }

    // MARK: - The cluster

    mutating func addCluster() {
        if let name = sync.primary {
            if !sync.writable, !isApart { addNotWritable(name) }
        } else if !isApart {
            let running = sync.nodes.first { $0.name == own }?.running
            let since =
                running?.role == .undecided ? Wording.lasting(running?.since, now) : ""
            add(
                1, .bad,
                sync.nodes.count > 1
                    ? "No node is primary\(since), so nothing can be written: start the old primary again, or promote a replica."
                    : "This node has not decided its role\(since), so nothing can be written: it does so by itself; else see its log."
            )
        }
        for node in sync.nodes {
            for alarm in node.alarms {
                if alarm.code == AlarmCode.primaryUnreachable.rawValue, told.contains(node.name) {
                    continue
                }
                let since = Wording.lasting(alarm.since, now)
                add(
                    2.2, .bad,
                    "\(word(alarm, of: node.name))\(since): \(Wording.humane(alarm.detail, now)). Next: \(alarm.nextStep)"
                )
            }
        }
    }

    private mutating func addNotWritable(_ name: String) {
        guard let primary, !isOld(primary) else {
            told.insert(name)
            let long = primary.map(unheard) ?? "has not been heard yet"
            return add(
                2, .bad,
                "Nothing can be written: the primary \(name) \(long): start it again, or have a replica take over."
            )
        }
        let since = Wording.lasting(primary.running?.since, now)
        if primary.running?.role == .undecided {
            let error = primary.lastError.map { ": \(Wording.brief($0.text))" } ?? ""
            add(
                2, .warn,
                "\(name) asks the other nodes whether another one reigns\(since)\(error); nothing can be written until then."
            )
        } else if primary.running?.state == .handingOver {
            add(
                2, .warn,
                "\(name) is handing over to another node; writes wait until it is done.")
        } else {
            let why =
                sync.writeObstacles.first?.detail ?? primary.lastError.map {
                    Wording.brief($0.text)
                }
                ?? "look at its disk and its replicas"
            add(2, .bad, "\(name) is primary but does not accept writes\(since): \(why).")
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

    // MARK: - Each node

    /// As OLD_AFTER_SECONDS.
    private static let oldAfterSeconds = 5.0

    private func isOld(_ node: NodeReport) -> Bool {
        guard node.running != nil, let seen = node.observedAt else { return true }
        return Wording.secondsSince(seen, now) > Problems.oldAfterSeconds
    }

    private func unheard(_ node: NodeReport) -> String {
        node.observedAt.map {
            "has not been heard for \(Wording.age(Wording.secondsSince($0, now)))"
        } ?? "has not been heard yet"
    }

    mutating func addNodes() {
        for node in sync.nodes where !isApart || node.name == own { add(node) }
    }

    private mutating func add(_ node: NodeReport) {
        let name = node.name
        if isOld(node) {
            if name == sync.primary, told.contains(name) { return }
            told.insert(name)
            return add(
                name == sync.primary ? 2.5 : 5, .bad,
                "\(name) \(unheard(node)): check that it runs and can be reached at \(node.address ?? "its address")."
            )
        }
        let upstream =
            node.running?.upstream ?? node.configured?.upstream ?? sync.primary ?? "its upstream"
        let since = Wording.lasting(node.running?.since, now)
        let error = node.lastError.map { Wording.brief($0.text) }
        let count = found.count
        defer { if found.count > count { told.insert(name) } }
        switch node.running?.state {
        case .detached:
            add(
                3, .bad,
                "\(name) has been detached\(since): it is not in the topology and follows nobody; add it again, or stop it."
            )
        case .fenced:
            add(
                3, .bad,
                "\(name) has been fenced\(since): another node has taken over; it does not write; resync it, or stop it."
            )
        case .unconfirmed:
            add(
                4.5, .warn,
                "\(name) has heard no replica\(since): what is written now is on this one node only; check the replicas."
            )
        case .backoff:
            add(
                5, .bad,
                "\(name) cannot follow \(upstream)\(since): \(error ?? "the connection fails"); it tries again by itself."
            )
        case .stalled:
            let why = error ?? "look at its log and at the way to \(upstream)"
            add(5, .bad, "\(name) has made no progress\(since): \(why).")
        case .connecting, .handshake:
            let isLate = node.running.map { Wording.secondsSince($0.since, now) > 10 } ?? false
            let last = error.map { "; the last error was: \($0)" } ?? ""
            add(
                5.5, isLate ? .warn : .info, "\(name) is connecting to \(upstream)\(since)\(last).")
        case .fullSync:
            add(8, .info, fullSync(node, from: upstream))
        default:
            addLag(node)
        }
    }

    private func fullSync(_ node: NodeReport, from upstream: String) -> String {
        let sync = node.fullSync
        var text = "\(node.name) is in a full sync from \(upstream)"
        if let sync, let total = sync.bytesTotal, total > 0 {
            text += ": \(Int(min(1, Double(sync.bytesDone) / Double(total)) * 100)) % done"
        }
        if let left = sync?.etaSeconds {
            text += ", about \(Wording.duration(left.rounded(.up))) left"
        }
        return text + "; nothing to do but wait."
    }

    private mutating func addLag(_ node: NodeReport) {
        guard let lag = node.lag, let seconds = lag.seconds, seconds > 1 else { return }
        let entries = Wording.counted(lag.entries, "entry", "entries")
        add(
            7.5, .warn,
            "\(node.name) is \(Wording.duration(seconds)) behind (\(entries)): if it does not catch up, look at its disk and network."
        )
    }

    // MARK: - Configured beside running

    mutating func addDrift(_ drift: [(item: DriftItem, since: UnixMilliseconds)]) {
        for (item, since) in isApart ? [] : drift {
            let isTold = sync.nodes.contains { node in
                node.name == item.node && node.alarms.contains { $0.code == item.kind.rawValue }
            }
            let isExplained = item.kind == .missingLink || item.kind == .nodeUnreachable
            if isTold || (isExplained && told.contains(item.node)) { continue }
            let detail = Wording.humane(Wording.brief(item.detail), now)
            let text = detail.hasPrefix(item.node) ? detail : "\(item.node): \(detail)"
            let long = Wording.age(Wording.secondsSince(since, now))
            add(
                isExplained ? 7.1 : 7, .warn,
                "For \(long), what runs has differed from what is configured: \(text). \(Wording.capital(Sentence.of(item.action)))"
            )
        }
    }
}
