import Log
import Platform

/// Which namespaces use more than their soft quotas is worked out when their counters or quotas change,
/// by whoever applies the entry, on every node alike.
extension Engine {
    /// Notes what has changed since the last look at the namespaces that the group touched.
    func softQuotaDifferences(_ transition: StateTransition) -> [EntryDifferences] {
        var touched = Array(transition.usages.keys)
        for difference in transition.differences.flatMap(\.all) {
            if case .namespace(_, let after?) = difference { touched.append(after.id) }
        }
        let found = touched.compactMap { id -> EntryDifferences.Difference? in
            guard let namespace = transition.catalog.namespace(id),
                let (before, after) = namespace.noteSoftQuotas()
            else { return nil }
            return .softQuotas(
                namespace.record, before: before, after: after, usage: namespace.currentUsage)
        }
        guard !found.isEmpty else { return [] }
        let header = transition.header
        return [EntryDifferences(index: header.position.index, time: header.time, all: found)]
    }
}

extension Namespace {
    /// - Returns: What was exceeded before and is now, when that differs.
    @discardableResult
    func noteSoftQuotas() -> (before: SoftQuotas, after: SoftQuotas)? {
        let before = usage.exceeded
        // Nearly all namespaces have none, and this is asked with every write.
        if before.isEmpty, record.softQuotaKeys == nil, record.softQuotaBytes == nil { return nil }
        let after = SoftQuotas.exceeded(by: currentUsage, of: record, before: before)
        guard before != after else { return nil }
        usage.exceeded = after
        return (before, after)
    }
}
