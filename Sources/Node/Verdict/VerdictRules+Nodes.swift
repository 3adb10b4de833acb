import Log
public import Platform
public import Topology

/// Each node by itself.
extension VerdictRules {
    mutating func judgeNodes() {
        for node in sync.nodes where !isApart || node.name == own {
            if isOld(node) { judgeSilent(node) } else { judgeRunning(node) }
        }
    }

    private mutating func judgeSilent(_ node: NodeReport) {
        let name = node.name
        let isPrimary = name == sync.primary
        if isPrimary, told.contains(name) { return }
        tell(name)
        add(
            isPrimary ? .silentPrimary : .link, .bad, "unheard",
            "\(name) \(unheard(node)): check that it runs and can be reached at \(node.address ?? "its address").",
            node: name, since: node.observedAt)
    }

    private mutating func judgeRunning(_ node: NodeReport) {
        let name = node.name
        let upstream =
            node.running?.upstream ?? node.configured?.upstream ?? sync.primary ?? "its upstream"
        let since = node.running?.visibleSince
        let error = node.lastError.map { Wording.brief($0.text) }
        func say(
            _ rank: Rank, _ level: Verdict.Level, _ code: String, _ text: String
        ) {
            tell(name)
            add(rank, level, code, text, node: name, since: since)
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
            say(
                .unconfirmed, .warn, "unconfirmed",
                "\(name) has heard no replica\(lasting(since)): what is written now is on this one node only; check the replicas."
            )
        case .backoff:
            say(
                .link, .bad, "backoff",
                "\(name) cannot follow \(upstream)\(lasting(since)): \(error ?? "the connection fails"); it tries again by itself."
            )
        case .stalled:
            let why = error ?? "look at its log and at the way to \(upstream)"
            say(
                .link, .bad, "stalled", "\(name) has made no progress\(lasting(since)): \(why).")
        case .connecting, .handshake:
            let isLate = since.map { Wording.secondsSince($0, now) > 10 } ?? false
            let last = error.map { "; the last error was: \($0)" } ?? ""
            say(
                .connecting, isLate ? .warn : .info, "connecting",
                "\(name) is connecting to \(upstream)\(lasting(since))\(last).")
        case .fullSync:
            say(.fullSync, .info, "full-sync", fullSync(node, from: upstream))
        case .serving, .streaming, .handingOver, nil:
            judgeCatalog(node)
            judgeLag(node)
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

    /// As LAGGING_AFTER_SECONDS in words.js.
    private static let laggingAfterSeconds = 1.0

    private mutating func judgeLag(_ node: NodeReport) {
        guard let lag = node.lag, let seconds = lag.seconds,
            seconds > VerdictRules.laggingAfterSeconds
        else { return }
        tell(node.name)
        let entries = Wording.counted(lag.entries, "entry", "entries")
        add(
            .lag, .warn, "lagging",
            "\(node.name) is \(Wording.duration(seconds)) behind (\(entries)): if it does not catch up, look at its disk and network.",
            node: node.name)
    }
}

extension NodeReport.Running {
    /// A link that does not come about tries and waits in turn: all of that is `backoff`.
    public var visibleState: RunningState? {
        attempt > 0 && (state == .connecting || state == .handshake) ? .backoff : state
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
