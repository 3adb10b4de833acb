import Engine
import Node
import Platform

/// The table of namespaces in trouble, each on each node as that node itself has it; as tenants.js makes it.
struct TroubleRows {
    private let nodes: [NodeReport]
    private let own: NodeReport?
    private let now: UnixMilliseconds
    private let names: [String]

    /// As COLUMNS_MAX and TROUBLED_MAX in tenants.js.
    private static let columnsMax = 8
    private static let rowsMax = 20

    init(_ sync: SyncReport, own: String, now: UnixMilliseconds) {
        nodes = Array(sync.nodes.prefix(TroubleRows.columnsMax))
        self.own = sync.nodes.first { $0.name == own }
        self.now = now
        names = Array(
            (self.own?.namespacesInTrouble?.items ?? []).map(\.name).prefix(TroubleRows.rowsMax))
    }

    var isEmpty: Bool { names.isEmpty }

    var head: String {
        (["Namespace", "Trouble"] + nodes.map(\.name)).map {
            "<th role=\"columnheader\" scope=\"col\">\($0.escapedForHTML)</th>"
        }
        .joined()
    }

    var rows: String {
        names.map { name in
            let trouble = own?.troubled(name)?.trouble.phrase ?? ""
            let cells = nodes.map { node in
                "<td role=\"cell\">\(cell(node, name).escapedForHTML)</td>"
            }
            return """
                <tr role="row"><th role="rowheader" scope="row">\(name.escapedForHTML)</th>\
                <td class="warn-text" role="cell">! \(trouble.escapedForHTML)</td>\(cells.joined())</tr>
                """
        }
        .joined()
    }

    private func cell(_ node: NodeReport, _ name: String) -> String {
        guard NodeRows.isHeard(node, now) else { return "? not heard" }
        guard node.catalog != nil else { return "⊘ nothing yet" }
        guard let item = node.troubled(name) else { return "? not told" }
        return "✓ \(Wording.counted(item.keys, "key", "keys"))"
    }
}

extension NodeReport {
    fileprivate func troubled(_ name: String) -> TroubledNamespace? {
        namespacesInTrouble?.items.first { $0.name == name }
    }
}

extension NamespaceTrouble {
    /// As `troubleText` in tenants.js makes of the words.
    var phrase: String {
        var parts: [String] = []
        if contains(.readOnly) { parts.append("read-only") }
        if !isDisjoint(with: .usedUp) {
            parts.append("full")
        } else if !isDisjoint(with: .overSoftQuota) {
            parts.append("over its soft quota")
        } else if !isDisjoint(with: .nearlyUsedUp) {
            parts.append("nearly full")
        }
        return parts.joined(separator: ", ")
    }
}
