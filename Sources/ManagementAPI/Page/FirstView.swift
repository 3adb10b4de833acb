import Engine
import Log
import Node
import Platform
import Topology

/// What fills the page's places: the state as it is when the page is asked for, so that it can be read at
/// once and without a script. The script finds the same elements and goes on with them.
struct FirstView {
    /// Markup by place; every text in it is escaped.
    let values: [String: String]

    /// For who has to log in.
    static let closed = [
        "level": "warn", "symbol": "!", "token": "", "data": "hidden",
        "sentence": "Log in: this node tells its state to those with a token.",
    ]

    /// As NAMESPACES_PER_PAGE in tenants.js.
    static let namespacesMax = 25
    /// As ROWS_AT_FIRST in nodes.js.
    static let nodesMax = 20
    /// As ALSO_MAX in verdict.js.
    private static let alsoMax = 5

    /// Reads what is published: blocks for nothing.
    init(of node: Node) {
        var sync = node.sync()
        sync.nodes = node.explained(sync.nodes)
        let name = node.name.rawValue
        let now = UnixMilliseconds.now()
        let verdict = node.verdict(sync)
        let worst = verdict.worst
        let drift = node.driftReport().items
        var values = [
            "level": worst.level.rawValue, "symbol": worst.level.symbol,
            "sentence": worst.text.escapedForHTML,
            "also": verdict.items.dropFirst().prefix(FirstView.alsoMax).map(FirstView.line)
                .joined(),
            "also-hidden": verdict.items.count > 1 ? "" : "hidden",
            "updated": "as of \(now.rfc3339.dropFirst(11).prefix(8)) UTC",
            "sources": FirstView.sources(sync, own: name, now).escapedForHTML,
            "self": "as seen by \(name)".escapedForHTML,
            "title": "\(worst.level.symbol) \(name) · Convoy".escapedForHTML,
            "nodes": NodeRows(
                sync: sync, own: name, now: now, named: verdict.items.compactMap(\.node)
            ).markup(max: FirstView.nodesMax),
            "nodes-note": FirstView.note(
                FirstView.nodesMax, of: sync.nodes.count, "nodes", ", the worst first",
                path: "/v1/nodes"),
            "converged": sync.converged ? "What runs is what is configured." : "Not compared yet.",
            "converged-hidden": drift.isEmpty ? "" : "hidden",
            "drift": drift.map { FirstView.line($0.item, since: $0.since, now) }.joined(),
        ]
        let trouble = TroubleRows(sync, own: name, now: now)
        if !trouble.isEmpty {
            values["trouble-hidden"] = ""
            values["trouble-head"] = trouble.head
            values["trouble-rows"] = trouble.rows
        }
        for (fact, text) in FirstView.facts(sync) { values[fact] = text.escapedForHTML }
        if let catalog = node.engine?.state.catalog {
            let found = catalog.namespaces(
                after: nil, prefix: "", countMax: FirstView.namespacesMax)
            values["namespaces"] = found.map { FirstView.row($0, now) }.joined()
            values["namespaces-note"] = FirstView.note(
                FirstView.namespacesMax, of: catalog.namespaceCount, "namespaces", ", by name",
                path: "/v1/namespaces")
        }
        self.values = values
    }

    /// What is left out, for who has no script; nothing when all are there.
    private static func note(
        _ shown: Int, of count: Int, _ what: String, _ order: String, path: String
    ) -> String {
        count <= shown
            ? ""
            : "<p>\(shown) of \(Wording.count(count)) \(what)\(order); all of them: <a href=\"\(path)\">\(path)</a>.</p>"
    }

    // MARK: - Facts

    private static func facts(_ sync: SyncReport) -> [(String, String)] {
        let writable =
            sync.primary.map { name in
                sync.writable.map { $0 ? "yes, on \(name)" : "no (\(name))" }
                    ?? "not known (\(name))"
            } ?? "nowhere"
        let replicas = sync.configuredReplicas
        let index = sync.position.map { Wording.count($0.index.rawValue) } ?? "unknown"
        let topology = sync.generation.map {
            "generation \(Wording.count($0.rawValue)), term \(Wording.count(sync.term ?? 0))"
        }
        return [
            ("writable", writable),
            (
                "in-sync",
                sync.writable == nil && sync.primary != nil
                    ? "not known"
                    : replicas == 0 ? "no replica" : "\(sync.inSyncReplicas) of \(replicas)"
            ),
            ("exposure", exposure(sync)), ("position", index),
            ("log", log(sync)), ("topology", topology ?? "unknown"),
            ("digest", digest(sync)),
        ]
    }

    private static func exposure(_ sync: SyncReport) -> String {
        guard let exposure = sync.exposure else { return "unknown" }
        guard let candidate = exposure.candidate, let entries = exposure.entries else {
            if sync.configuredReplicas == 0 { return "everything: no replica" }
            let lost = exposure.entries == nil ? "not known" : "everything"
            return "\(lost): no replica can take over now"
        }
        let lost =
            entries == 0 ? "nothing" : NodeRows.behind(entries, exposure.seconds)
        return "\(lost); \(candidate) would take over"
    }

    private static func log(_ sync: SyncReport) -> String {
        guard let bytes = sync.logBytes, let first = sync.logFirst else { return "none yet" }
        if let last = sync.logLast, first > last { return "empty" }
        return "\(Wording.bytes(bytes)), from \(Wording.count(first.rawValue))"
    }

    /// The primary's catalog, and how many have the same as of the same entry.
    private static func digest(_ sync: SyncReport) -> String {
        guard let own = sync.nodes.first(where: { $0.name == sync.primary })?.catalog else {
            return "unknown"
        }
        let same = sync.nodes.count {
            $0.catalog?.digest == own.digest && $0.catalog?.index == own.index
        }
        return
            "\(same) of \(sync.nodes.count) nodes, as of entry \(Wording.count(own.index.rawValue))"
    }

    // MARK: - What is wrong

    private static func line(_ item: Verdict.Item) -> String {
        "<li class=\"\(item.level.rawValue)\">\(item.text.escapedForHTML)</li>"
    }

    private static func line(
        _ item: DriftItem, since: UnixMilliseconds, _ now: UnixMilliseconds
    ) -> String {
        let detail = Wording.humane(Wording.brief(item.detail), now)
        let text = detail.hasPrefix(item.node) ? detail : "\(item.node): \(detail)"
        let long = Wording.age(Wording.secondsSince(since, now))
        let age = text.hasSuffix(" ago") ? "" : " (for \(long))"
        return "<li>\((text + age).escapedForHTML)</li>"
    }

    /// As `sourcesText` in words.js.
    private static func sources(
        _ sync: SyncReport, own: String, _ now: UnixMilliseconds
    ) -> String {
        let others = sync.nodes.filter { $0.name != own }
        guard !others.isEmpty else { return "\(own); there is no other" }
        let heard = others.count { NodeRows.isHeard($0, now) }
        return "\(own); \(heard) of \(others.count) from their answers"
    }

    // MARK: - Namespaces

    private static func row(_ namespace: Namespace, _ now: UnixMilliseconds) -> String {
        let name = namespace.record.name.rawValue.escapedForHTML
        let usage = namespace.currentUsage
        let badge = namespace.trouble.phrase
        return """
            <tr role="row" data-key="\(name)"><th class="name" role="rowheader" scope="row">\
            <span class="label">\(name)</span><span class="badge">\(badge)</span></th>\
            <td class="keys number" role="cell" data-label="Keys">\(Wording.count(usage.keys))</td>\
            <td class="bytes number" role="cell" data-label="Size">\(Wording.bytes(UInt64(usage.bytes)))</td>\
            <td class="quota" role="cell" data-label="Quota">\(quota(namespace, usage))</td>\
            <td class="reads number" role="cell" data-label="Reads/s">\(rate(namespace.traffic.readsPerSecond(at: .now())))</td>\
            <td class="writes number" role="cell" data-label="Writes/s">\(rate(namespace.traffic.writesPerSecond(at: .now())))</td>\
            <td class="last" role="cell" data-label="Last write">\(last(namespace, now))</td>\
            <td class="do" role="cell"></td></tr>
            """
    }

    /// How much of the tightest quota is used.
    private static func quota(_ namespace: Namespace, _ usage: Usage) -> String {
        let uses = [
            (usage.keys, namespace.record.quotaKeys), (usage.bytes, namespace.record.quotaBytes),
        ]
        .compactMap { used, quota in
            quota.map { $0 > 0 ? Double(used) / Double($0) : 1 }
        }
        guard let use = uses.max() else { return "<span class=\"muted\">none</span>" }
        let text = "\(Int(min(use, 1e6) * 100)) %"
        return """
            <span class="use"><meter max="1" high="0.8" optimum="0" value="\(min(use, 1))" aria-label="\(text) of its quota"></meter>\
            <span>\(text)</span></span>
            """
    }

    private static func rate(_ perSecond: Double) -> String { Wording.perSecond(perSecond) }

    private static func last(_ namespace: Namespace, _ now: UnixMilliseconds) -> String {
        guard let at = namespace.lastWriteAt else { return "–" }
        let seconds = Wording.secondsSince(at, now)
        return seconds < 1 ? "now" : "\(Wording.age(seconds)) ago"
    }
}

extension Verdict.Level {
    /// As in verdict.js.
    fileprivate var symbol: String {
        switch self {
        case .bad: "✕"
        case .warn: "!"
        case .info: "↻"
        case .ok: "✓"
        case .note: "·"
        }
    }
}
