import Log
import Node
import Platform
import Topology

/// The rows of the table of nodes, as nodes.js makes them.
struct NodeRows {
    let sync: SyncReport
    let own: String
    let now: UnixMilliseconds
    /// The names of those of which something is said at the head of the page, the worst first.
    let named: [String]

    func markup(max: Int) -> String {
        (sync.nodes.count <= max ? sync.nodes : Array(worstFirst.prefix(max)))
            .map { row($0) + more($0) }.joined()
    }

    /// As `worstFirst` in nodes.js.
    private var worstFirst: [NodeReport] {
        func place(_ node: NodeReport) -> Int {
            if let place = named.firstIndex(of: node.name) { return place }
            let isWell =
                NodeRows.isHeard(node, now) && ["ok", "info"].contains(NodeRows.word(node).2)
            return named.count + (isWell ? 1 : 0)
        }
        return sync.nodes.map { (place($0), $0) }.enumerated()
            .sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }
            .map(\.element.1)
    }

    /// Lately enough that what is known of it says something of now.
    static func isHeard(_ node: NodeReport, _ now: UnixMilliseconds) -> Bool {
        guard node.running != nil, let seen = node.observedAt else { return false }
        return Wording.secondsSince(seen, now) <= Wording.oldAfterSeconds
    }

    private func row(_ node: NodeReport) -> String {
        let name = node.name.escapedForHTML
        let address = (node.address ?? "address unknown").escapedForHTML
        let age = node.observedAt.map { Wording.secondsSince($0, now) }
        let isOld = !NodeRows.isHeard(node, now)
        let state = isOld ? ("not heard", "?", "old") : NodeRows.word(node)
        let role = (isOld ? node.configured?.role : node.running?.role)?.rawValue ?? "none"
        let isPrimary = node.running?.role == .primary
        let seen =
            node.name == own
            ? "at first hand"
            : age.map { $0 < 2 ? "now" : "\(Wording.age($0)) ago" }
                ?? (sync.writable == nil ? "not asked" : "not yet")
        return """
            <tr class="node\(isOld ? " old" : "")" role="row" data-key="row \(name)" data-level="\(state.2)" id="node-\(name)">\
            <th class="node" role="rowheader" scope="row" data-label="Node"><span class="name">\(name)</span>\
            <span class="address muted">\(address)</span></th>\
            \(cell("role", "Role", role))\
            <td class="state" role="cell" data-label="State"><span class="symbol" aria-hidden="true">\(state.1)</span>\
            <span class="word">\(state.0)</span></td>\
            \(cell("since", "Since", isOld ? "–" : since(node)))\
            \(cell("position number", "Position", isOld ? "–" : position(node)))\
            \(cell("behind number", "Behind", isOld || isPrimary ? "–" : lag(node)))\
            \(cell("observed number", "Observed", seen))<td class="do" role="cell"></td></tr>
            """
    }

    /// What does not fit into a cell; nothing for most nodes.
    private func more(_ node: NodeReport) -> String {
        guard NodeRows.isHeard(node, now) else { return "" }
        let lines = [
            ("difference", difference(node)),
            ("error", node.lastError.map { "Last error: \($0.text)" }),
            ("full-sync", node.fullSync.map(fullSync)),
        ]
        let shown = lines.compactMap { name, text in
            text.map { "<p class=\"\(name)\">\($0.escapedForHTML)</p>" }
        }
        guard !shown.isEmpty else { return "" }
        return """
            <tr class="more" role="row"><td role="cell" colspan="8">\(shown.joined())</td></tr>
            """
    }

    /// As `difference` in words.js.
    private func difference(_ node: NodeReport) -> String? {
        guard let running = node.running else { return nil }
        let configured = node.configured
        if configured?.role != running.role || configured?.upstream != running.upstream {
            return
                "Configured: \(place(configured?.role, configured?.upstream)). Running: \(place(running.role, running.upstream))."
        }
        if let known = running.generation, let generation = configured?.generation,
            known != generation
        {
            return "Configured: generation \(generation). Running: generation \(known)."
        }
        return nil
    }

    private func place(_ role: RunningRole?, _ upstream: String?) -> String {
        guard let role else { return "not in the topology" }
        return upstream.map { "\(role.rawValue) of \($0)" } ?? role.rawValue
    }

    private func fullSync(_ sync: NodeReport.FullSync) -> String {
        var text = "Full sync: \(sync.stage), \(Wording.bytes(sync.bytesDone))"
        if let total = sync.bytesTotal { text += " of \(Wording.bytes(total))" }
        return text + ", " + (NodeRows.causes[sync.reason] ?? "because of \(sync.reason)")
    }

    /// As CAUSES in words.js.
    private static let causes = [
        "empty": "because it was empty",
        "position-not-retained": "because the log no longer reaches back to its position",
        "history-diverged": "because its history had diverged",
        "requested": "because it was asked for",
        "catalog-differs": "because its catalog differed",
    ]

    private func cell(_ classes: String, _ label: String, _ text: String) -> String {
        "<td class=\"\(classes)\" role=\"cell\" data-label=\"\(label)\">\(text.escapedForHTML)</td>"
    }

    private func since(_ node: NodeReport) -> String {
        node.running.map { "\(Wording.age(Wording.secondsSince($0.visibleSince, now))) ago" } ?? "–"
    }

    private func position(_ node: NodeReport) -> String {
        node.position.map { Wording.count($0.index.rawValue) } ?? "unknown"
    }

    private func lag(_ node: NodeReport) -> String {
        node.lag.map { NodeRows.behind($0.entries, $0.seconds) } ?? "unknown"
    }

    static func behind(_ entries: UInt64, _ seconds: Double?) -> String {
        if entries == 0 { return "nothing" }
        let text = Wording.counted(entries, "entry", "entries")
        guard let seconds, seconds >= 0.05 else { return text }
        return "\(text), \(Wording.duration(seconds))"
    }

    /// Word, symbol and level of a node that is heard.
    private static func word(_ node: NodeReport) -> (String, String, String) {
        guard let state = node.running?.visibleState else {
            return node.running?.role == .undecided
                ? ("deciding its role", "↻", "warn") : ("unknown", "?", "old")
        }
        let (symbol, level) = symbol(state)
        let isStalledSync = node.fullSync != nil && level == "bad"
        return (isStalledSync ? "full sync stalled" : Wording.word(state), symbol, level)
    }

    private static func symbol(_ state: RunningState) -> (symbol: String, level: String) {
        switch state {
        case .serving, .streaming: ("✓", "ok")
        case .unconfirmed: ("!", "warn")
        case .handingOver, .connecting, .handshake, .fullSync: ("↻", "info")
        case .backoff, .stalled: ("✕", "bad")
        case .detached, .fenced: ("⊘", "bad")
        }
    }
}
