import Log
import Platform

/// Which namespaces are in trouble is worked out when their counters or records change, by whoever applies
/// the entry, on every node alike.
extension Engine {
    /// Notes what has changed since the last look at the namespaces that the group touched.
    func softQuotaDifferences(_ transition: StateTransition) -> [EntryDifferences] {
        var touched = Array(transition.usages.keys)
        for difference in transition.differences.flatMap(\.all) {
            if case .namespace(_, let after?) = difference { touched.append(after.id) }
        }
        let found = touched.compactMap { id -> EntryDifferences.Difference? in
            guard let namespace = transition.catalog.namespace(id),
                let (before, after) = namespace.noteTrouble(at: transition.header.time)
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
    /// - Returns: Which soft quotas were told of as exceeded before and are now, when that differs.
    @discardableResult
    func noteTrouble(at time: UnixMilliseconds?) -> (before: SoftQuotas, after: SoftQuotas)? {
        let before = usage.troubleSince
        // Nearly all namespaces have no limit, and this is asked with every write.
        if before.trouble.isEmpty, before.told.isEmpty, !record.isLimited { return nil }
        let used = currentUsage
        let after = NamespaceTrouble.of(record, used)
        let told = SoftQuotas.exceeded(by: used, of: record, before: before.told)
        guard before.trouble != after || before.told != told else { return nil }
        let since = Namespace.since(before.trouble, before.since, after, at: time)
        usage.set(after, since: since, told: told)
        return before.told == told ? nil : (before.told, told)
    }

    /// When the worst of the trouble came to be. What stood behind something worse has begun at a time that
    /// was not kept. Pure.
    private static func since(
        _ old: NamespaceTrouble, _ since: UnixMilliseconds?, _ new: NamespaceTrouble,
        at time: UnixMilliseconds?
    ) -> UnixMilliseconds? {
        if new.isEmpty { return nil }
        if old.worst == new.worst { return since }
        return old.isDisjoint(with: new.worst) ? time : nil
    }
}
