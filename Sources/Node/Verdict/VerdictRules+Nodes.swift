import Log
public import Platform
public import Topology

/// Each node by itself; those whose links fail in the same way, in one sentence.
extension VerdictRules {
    /// What passes sooner is a change on its way.
    private static let passingSeconds = 2.0
    private static let lateSeconds = 10.0

    mutating func judgeNodes() {
        let judged = sync.nodes.filter { !isApart || $0.name == own }
        for node in judged { if isOld(node) { judgeSilent(node) } else { judgeRunning(node) } }
        judgeFailing(judged.filter { !isOld($0) })
    }

    private mutating func judgeSilent(_ node: NodeReport) {
        let name = node.name
        let isPrimary = name == sync.primary
        if isPrimary, told.contains(name) { return }
        tell(name)
        if isBrief(node) {
            return add(
                isPrimary ? .silentPrimary : .link, .info, "unheard",
                "\(name) \(unheard(node)): it is asked again each second.", node: name)
        }
        add(
            isPrimary ? .silentPrimary : .link, .bad, "unheard",
            "\(name) \(unheard(node)): check that it runs and can be reached at \(node.address ?? "its address").",
            node: name, since: node.observedAt)
    }

    private mutating func judgeRunning(_ node: NodeReport) {
        let name = node.name
        let since = node.running?.visibleSince
        func say(_ rank: Rank, _ level: Verdict.Level, _ code: String, _ text: String) {
            tell(name)
            add(rank, level, code, text, node: name, since: since)
        }
        if let claim = node.running?.claim {
            tell(name)
            let shall = node.configured?.upstream.map { "; configured is \($0)" } ?? ""
            add(
                .claim, .warn, "claim",
                "\(name) follows \(claim.upstream) by a claim of its own\(lasting(claim.since))\(shall): set its upstream to end that.",
                node: name, since: claim.since)
        }
        switch node.running?.visibleState {
        case .detached:
            say(
                .outside, .bad, "detached",
                "\(name) has been detached\(lasting(since)): it is not in the topology and follows nobody; add it again, or stop it."
            )
        case .fenced:
            say(
                .outside, .bad, "fenced",
                "\(name) has been fenced\(lasting(since)): another node has taken over; it does not write; resync it, or stop it."
            )
        case .unconfirmed:
            // Who cannot write at all has said so.
            if told.contains(name) { return }
            say(
                .unconfirmed, .warn, "unconfirmed",
                "\(name) has heard no replica\(lasting(since)): what is written now is on this one node only; check the replicas."
            )
        case .connecting, .handshake:
            guard let since, Wording.secondsSince(since, now) >= VerdictRules.passingSeconds else {
                return
            }
            let isLate = Wording.secondsSince(since, now) > VerdictRules.lateSeconds
            let last =
                node.lastError.map { "; the last error was: \(Wording.brief($0.text))" } ?? ""
            say(
                .connecting, isLate ? .warn : .info, "connecting",
                "\(name) is connecting to \(upstream(of: node))\(lasting(since))\(last).")
        case .fullSync:
            say(.fullSync, .info, "full-sync", fullSync(node))
        case .backoff, .stalled:
            // Together with others, below.
            break
        case .serving, .streaming, .handingOver, nil:
            judgeCatalog(node)
            judgeLag(node)
        }
    }

    private func upstream(of node: NodeReport) -> String {
        node.running?.upstream ?? node.configured?.upstream ?? sync.primary ?? "its upstream"
    }

    // MARK: - Links that fail

    private struct FailingLinks: Hashable {
        var state: RunningState
        var upstream: String
    }

    private mutating func judgeFailing(_ nodes: [NodeReport]) {
        var groups: [(key: FailingLinks, nodes: [NodeReport])] = []
        for node in nodes {
            guard let state = node.running?.visibleState, state == .backoff || state == .stalled,
                let since = node.running?.visibleSince,
                Wording.secondsSince(since, now) >= VerdictRules.passingSeconds
            else { continue }
            tell(node.name)
            if let sync = node.fullSync {
                judgeStalledSync(sync, of: node, since: since)
                continue
            }
            let key = FailingLinks(state: state, upstream: upstream(of: node))
            if let place = groups.firstIndex(where: { $0.key == key }) {
                groups[place].nodes.append(node)
            } else {
                groups.append((key, [node]))
            }
        }
        for group in groups { judge(group.nodes, group.key) }
    }

    private mutating func judge(_ nodes: [NodeReport], _ links: FailingLinks) {
        let since = nodes.compactMap { $0.running?.visibleSince }.min()
        let names = Wording.names(Array(nodes.prefix(4).map(\.name)), of: nodes.count)
        let error = nodes.compactMap { $0.lastError.map { Wording.brief($0.text) } }.first
        let isOne = nodes.count == 1
        let text =
            if links.state == .stalled {
                "\(names) \(isOne ? "has" : "have") made no progress\(lasting(since)): \(error ?? "look at \(isOne ? "its log" : "their logs") and at the way to \(links.upstream)")."
            } else {
                "\(names) cannot follow \(links.upstream)\(lasting(since)): \(error ?? "the connection fails"); \(isOne ? "it tries" : "they try") again by \(isOne ? "itself" : "themselves")."
            }
        add(.link, .bad, links.state.rawValue, text, node: nodes.first?.name, since: since)
    }

    private mutating func judgeStalledSync(
        _ sync: NodeReport.FullSync, of node: NodeReport, since: UnixMilliseconds
    ) {
        let done = percent(sync).map { " (\($0) % done)" } ?? ""
        let error = node.lastError.map { Wording.brief($0.text) } ?? "its upstream is silent"
        add(
            .link, .bad, "full-sync-stalled",
            "The full sync of \(node.name) from \(upstream(of: node)) has made no progress\(lasting(since))\(done): \(error); it goes on by itself where it was.",
            node: node.name, since: since)
    }

    // MARK: - Links that work

    private func percent(_ sync: NodeReport.FullSync) -> Int? {
        guard let total = sync.bytesTotal, total > 0 else { return nil }
        return Int(min(1, Double(sync.bytesDone) / Double(total)) * 100)
    }

    private func fullSync(_ node: NodeReport) -> String {
        let sync = node.fullSync
        var text = "\(node.name) has been in a full sync from \(upstream(of: node))"
        text += lasting(node.running?.since)
        if let done = sync.flatMap(percent) { text += ": \(done) % done" }
        if let left = sync?.etaSeconds {
            text += ", about \(Wording.duration(left.rounded(.up))) left"
        }
        return text + "; nothing to do but wait."
    }

    private mutating func judgeCatalog(_ node: NodeReport) {
        guard let primary, primary.name != node.name, let own = node.catalog,
            let theirs = primary.catalog, own.index == theirs.index, own.digest != theirs.digest,
            !node.hasAlarm(.catalogDiffers)
        else { return }
        tell(node.name)
        add(
            .catalog, .bad, "catalog-differs",
            "\(node.name) has other namespaces than \(primary.name) at entry \(Wording.count(own.index.rawValue)): resync \(node.name).",
            node: node.name)
    }

    private mutating func judgeLag(_ node: NodeReport) {
        guard let lag = node.lag, let seconds = lag.seconds, seconds >= sync.inSyncLag.inSeconds
        else { return }
        tell(node.name)
        let entries = Wording.counted(lag.entries, "entry", "entries")
        add(
            .lag, .warn, "lagging",
            "\(node.name) is \(Wording.duration(seconds)) behind (\(entries)): if it does not catch up, look at its disk and network.",
            node: node.name)
    }
}

// MARK: - In sync

extension VerdictRules {
    /// Of whom nothing was said that explains it.
    mutating func judgeNotInSync() {
        if isApart { return }
        let behind = sync.nodes.filter {
            $0.configured?.role == .replica && !told.contains($0.name) && !isOld($0)
                && !isInStep($0)
                && $0.alarms.allSatisfy { $0.code == AlarmCode.diskNearlyFull.rawValue }
        }
        sayNotInSync(behind.filter { !isPassing($0) }, .warn, "Wait, or look at it.")
        sayNotInSync(behind.filter(isPassing), .info, "It is tried again by itself.")
    }

    private mutating func sayNotInSync(
        _ behind: [NodeReport], _ level: Verdict.Level, _ next: String
    ) {
        guard let first = behind.first else { return }
        let why = first.lacks?.first.map { ": \(Wording.brief($0.detail))" } ?? ""
        let more =
            behind.count > 1
            ? ", nor \(Wording.names(Array(behind.dropFirst().prefix(2).map(\.name)), of: behind.count - 1))"
            : ""
        add(
            .notInSync, level, "not-in-sync",
            "\(first.name) is not in sync\(why)\(more). \(next)", node: first.name)
    }

    /// Its link has only just gone: it comes back, or is said to fail.
    private func isPassing(_ replica: NodeReport) -> Bool {
        guard let running = replica.running, running.visibleState != .streaming else {
            return false
        }
        return Wording.secondsSince(running.visibleSince, now) < VerdictRules.passingSeconds
    }

    /// In sync, or behind by an entry that has only just been written: it is told of the next one in a moment.
    /// Who stays behind lags, and that is said.
    private func isInStep(_ replica: NodeReport) -> Bool {
        guard let lacks = replica.lacks else { return sync.inSync }
        return lacks.allSatisfy { ["catalog-behind", "generation-behind"].contains($0.code) }
    }
}

// MARK: - Worth knowing

extension VerdictRules {
    /// What was given up is said for a day.
    private static let gaveUpSeconds = 86_400.0

    mutating func addNotes() {
        if isApart { return }
        for node in sync.nodes {
            guard let last = node.lastFullSync, last.reason == "history-diverged",
                Wording.secondsSince(last.finishedAt, now) < VerdictRules.gaveUpSeconds,
                let count = node.divergedEntries, count > 0
            else { continue }
            let long = Wording.age(Wording.secondsSince(last.finishedAt, now))
            add(
                .note, .note, "gave-up-entries",
                "\(node.name) gave up entries that only it had, \(long) ago (\(Wording.count(count)) by now): convoy diverged shows them.",
                node: node.name, since: last.finishedAt)
        }
        addNamespaceNotes()
    }
}

extension NodeReport.Running {
    /// A link that does not come about tries and waits in turn: all of that is one state, `stalled` or
    /// `backoff`, by how it fails.
    public var visibleState: RunningState? {
        switch state {
        case .connecting, .handshake, .fullSync, .backoff, .stalled: failing ?? state
        case .serving, .unconfirmed, .handingOver, .streaming, .detached, .fenced, nil: state
        }
    }

    /// Since when it has been in its ``visibleState``, through all tries of a link.
    public var visibleSince: UnixMilliseconds {
        switch visibleState {
        case .backoff, .stalled: failingSince ?? since
        case .serving, .unconfirmed, .handingOver, .streaming, .connecting, .handshake, .fullSync,
            .detached, .fenced, nil:
            since
        }
    }
}
