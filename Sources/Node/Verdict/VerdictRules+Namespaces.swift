import Engine
import Platform

/// Namespaces that refuse writes, or soon will, as this node's own state has them.
extension VerdictRules {
    private static let namedMax = 3

    private var troubled: [NodeReport.TroubledNamespace] {
        isApart ? [] : ownReport?.namespacesInTrouble?.items ?? []
    }

    mutating func judgeNamespaces() {
        if isApart { return }
        let counts = ownReport?.namespacesInTrouble
        let full = troubled.filter { $0.trouble.worst == .usedUp }
        if let first = full.first {
            let rest = "until keys are deleted or the quota is raised"
            let count = max(counts?.usedUp ?? 0, full.count)
            let since = first.since
            add(
                .quota, .warn, "quota-used-up",
                count == 1
                    ? "\(first.name) \(since == nil ? "is" : "has been") full\(lasting(since))\(room(first)): it refuses writes that need more, \(rest)."
                    : "\(Wording.count(count)) namespaces are full (\(names(full, count))): they refuse writes that need more, \(rest).",
                namespace: first.name, since: count == 1 ? since : nil)
        }
        let soft = troubled.filter { $0.trouble.worst == .overSoftQuota }
        // With many that are full none of these may be among those whose names are known here.
        let count = max(counts?.overSoftQuota ?? 0, soft.count)
        if count > 0 {
            let since = soft.first?.since
            add(
                .softQuota, .warn, "soft-quota-exceeded",
                count == 1
                    ? "\(soft.first?.name ?? "1 namespace") uses more than its soft quota\(lasting(since)); nothing is refused yet: delete keys, or raise the quota."
                    : "\(Wording.count(count)) namespaces use more than their soft quotas\(examples(soft, count)); nothing is refused yet: delete keys, or raise the quotas.",
                namespace: soft.first?.name, since: count == 1 ? since : nil)
        }
    }

    /// What is as somebody wanted it, or no trouble yet.
    mutating func addNamespaceNotes() {
        guard let counts = ownReport?.namespacesInTrouble else { return }
        addNote(
            "read-only", counts.readOnly, .readOnly, one: "is read-only",
            lasting: "has been read-only", many: "are read-only")
        addNote(
            "quota-nearly-used-up", counts.nearlyUsedUp, .nearlyUsedUp,
            one: "has nearly used up its quota", lasting: nil,
            many: "have nearly used up their quotas")
    }

    private mutating func addNote(
        _ code: String, _ count: Int, _ trouble: NamespaceTrouble, one: String,
        lasting verb: String?, many: String
    ) {
        guard count > 0 else { return }
        let listed = troubled.filter { $0.trouble.worst == trouble }
        let since = verb == nil || count > 1 ? nil : listed.first?.since
        let text =
            count == 1
            ? "\(listed.first?.name ?? "1 namespace") \(since == nil ? one : verb ?? one)\(lasting(since))."
            : "\(Wording.count(count)) namespaces \(many)\(examples(listed, count))."
        add(
            .note, .note, code, text, namespace: listed.first?.name,
            since: since)
    }

    private func examples(_ items: [NodeReport.TroubledNamespace], _ count: Int) -> String {
        items.isEmpty ? "" : " (\(names(items, count)))"
    }

    private func names(_ items: [NodeReport.TroubledNamespace], _ count: Int) -> String {
        Wording.names(items.prefix(VerdictRules.namedMax).map(\.name), of: count)
    }

    /// " (2 of 2 keys)".
    private func room(_ item: NodeReport.TroubledNamespace) -> String {
        var limits: [String] = []
        if item.trouble.contains(.quotaKeysUsedUp), let quota = item.quotaKeys {
            limits.append(
                "\(Wording.count(item.keys)) of \(Wording.counted(quota, "key", "keys"))")
        }
        if item.trouble.contains(.quotaBytesUsedUp), let quota = item.quotaBytes {
            limits.append("\(Wording.bytes(item.bytes)) of \(Wording.bytes(quota))")
        }
        return limits.isEmpty ? "" : " (\(limits.joined(separator: ", ")))"
    }
}
