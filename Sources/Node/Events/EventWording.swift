import Engine
import JSON
import Log
import Platform
import Topology

/// Tells what entries have done, in the order of the log.
///
/// Pure. Remembers the newest document that was told of, so that one that came as word of a peer and
/// then in the log is told once; and the operations that run.
struct EventWording: Sendable {
    private var document: TopologyDocument?
    private var lineage: Lineage?
    /// Operations that run, of the log and of this node alone.
    private(set) var running: Set<String> = []

    /// Names told of one entry; a batch may make ten thousand.
    static let namesMax = 20

    /// What is known as this node begins to tell.
    init(document: TopologyDocument?, lineage: Lineage?, running: Set<String>) {
        self.document = document
        self.lineage = lineage
        self.running = running
    }

    mutating func events(of entry: EntryDifferences) -> [Event] {
        var namespaces: [NamespaceNews: [NamespaceRecord]] = [:]
        var events: [Event] = []
        for difference in entry.all {
            switch difference {
            case .namespace(let before, let after):
                guard let (news, record) = NamespaceNews.of(before, after) else { continue }
                namespaces[news, default: []].append(record)
            case .operation(let before, let after):
                if let after { events += self.events(before, after, at: entry.time) }
            case .topology(let document):
                events += tell(document, of: lineage, at: entry.time)
            case .softQuotas(let record, let before, let after, let usage):
                events += SoftQuotas.all.compactMap { quota in
                    guard before.contains(quota) != after.contains(quota) else { return nil }
                    return record.event(quota, after.contains(quota), usage, at: entry.time)
                }
            }
        }
        let told = NamespaceNews.allCases.flatMap { news in
            namespaces[news].map { news.event($0, at: entry.time) } ?? []
        }
        return told + events
    }

    // MARK: - Topology

    /// Tells a document, unless it is no newer than the last one of the same cluster.
    mutating func tell(
        _ new: TopologyDocument, of lineage: Lineage?, at now: UnixMilliseconds
    ) -> [Event] {
        let old = lineage == self.lineage ? document : nil
        let isKnown = new == document || old.map { $0.version >= new.version } ?? false
        self.lineage = lineage
        if isKnown { return [] }
        document = new
        let before = Set((old ?? new).nodes.map(\.name.rawValue))
        let after = Set(new.nodes.map(\.name.rawValue))
        let primary = new.label(of: new.primary)
        let oldPrimary = old.map { $0.label(of: $0.primary) } ?? primary
        let reason = new.reason.map { ": \($0)" } ?? ""
        return [
            Event(
                .topology, "changed", "\(new.generation)", at: now,
                "Generation \(new.generation) of the topology, by \(new.changedBy)\(reason)"
                    + (primary == oldPrimary ? "." : "; the primary is \(primary)."),
                [
                    "generation": JSONValue(new.generation.rawValue),
                    "term": JSONValue(new.reign.term), "primary": .string(primary),
                    "primary_before": primary == oldPrimary ? .null : .string(oldPrimary),
                    "added": .array(after.subtracting(before).sorted().map { .string($0) }),
                    "removed": .array(before.subtracting(after).sorted().map { .string($0) }),
                    "changed_by": .string(new.changedBy), "reason": .orNull(new.reason),
                ])
        ]
    }

    // MARK: - Operations

    private mutating func events(
        _ before: OperationRecord?, _ after: OperationRecord, at now: UnixMilliseconds
    ) -> [Event] {
        if after.state == .running {
            guard before == nil, running.insert(after.id).inserted else { return [] }
            return [after.begun(at: now)]
        }
        if running.remove(after.id) != nil { return [after.ended(at: now)] }
        return before == nil ? [after.begun(at: now), after.ended(at: now)] : []
    }

    /// Tells of operations that are not in the log, or not yet.
    mutating func events(ofLocal records: [OperationRecord], at now: UnixMilliseconds) -> [Event] {
        records.flatMap { record -> [Event] in
            if record.state == .running {
                return running.insert(record.id).inserted ? [record.begun(at: now)] : []
            }
            return running.remove(record.id) == nil ? [] : [record.ended(at: now)]
        }
    }

    /// Tells of operations that have ended without an entry that was seen here: a full sync has
    /// brought their end. `record` is what is known of one.
    mutating func settle(_ record: (String) -> OperationRecord?, at now: UnixMilliseconds)
        -> [Event]
    {
        running.sorted().flatMap { id -> [Event] in
            let known = record(id)
            if known?.state == .running { return [] }
            running.remove(id)
            return known.map { [$0.ended(at: now)] } ?? []
        }
    }
}

/// What can become of a namespace.
private enum NamespaceNews: String, CaseIterable {
    case created, changed, removed, flushed

    /// Nil when nothing that is told has changed.
    static func of(
        _ before: NamespaceRecord?, _ after: NamespaceRecord?
    ) -> (NamespaceNews, NamespaceRecord)? {
        switch (before, after) {
        case (nil, nil): nil
        case (nil, let record?): (.created, record)
        case (let record?, nil): (.removed, record)
        case (let before?, let record?) where before.epoch != record.epoch: (.flushed, record)
        case (let before?, let record?) where before != record: (.changed, record)
        case (_?, _?): nil
        }
    }

    func event(_ records: [NamespaceRecord], at now: UnixMilliseconds) -> [Event] {
        let names = records.prefix(EventWording.namesMax).map(\.name.rawValue)
        guard let first = names.first else { return [] }
        let detail =
            records.count == 1
            ? "Namespace \(first) was \(rawValue)."
            : "\(records.count) namespaces were \(rawValue), among them \(first)."
        return [
            Event(
                .namespace, rawValue, first, at: now, detail,
                [
                    "names": .array(names.map { .string($0) }), "count": JSONValue(records.count),
                ])
        ]
    }
}

extension NamespaceRecord {
    fileprivate func event(
        _ quota: SoftQuotas, _ isExceeded: Bool, _ usage: Usage, at now: UnixMilliseconds
    ) -> Event {
        let word = quota.words.joined()
        let (limit, used) =
            quota == .keys ? (softQuotaKeys, usage.keys) : (softQuotaBytes, usage.bytes)
        let detail =
            isExceeded
            ? "Namespace \(name) uses \(used) and has a \(word) of \(limit ?? 0). Nothing is refused yet."
            : "Namespace \(name) uses no more than its \(word) allows again."
        return Event(
            .namespace, isExceeded ? "soft-quota-exceeded" : "soft-quota-ended", name.rawValue,
            at: now, detail,
            [
                "quota": .string(word), "limit": .orNull(limit), "used": JSONValue(used),
            ])
    }
}

extension OperationRecord {
    fileprivate func begun(at now: UnixMilliseconds) -> Event {
        Event(
            .operation, "begun", id, at: now,
            "\(createdBy) has begun \(type) of \(subject)\(reason.map { ": \($0)" } ?? "").", data)
    }

    fileprivate func ended(at now: UnixMilliseconds) -> Event {
        var data = data
        data["error"] =
            errorCode.map { ["code": .string($0), "detail": .string(errorDetail ?? "")] } ?? .null
        let how =
            switch state {
            case .running, .succeeded: "has succeeded"
            case .failed: "has failed: \(errorDetail ?? errorCode ?? "unknown")"
            case .cancelled: "was cancelled"
            }
        return Event(.operation, "ended", id, at: now, "\(type) of \(subject) \(how).", data)
    }

    private var data: JSONObject {
        let word =
            switch state {
            case .running: "running"
            case .succeeded: "succeeded"
            case .failed: "failed"
            case .cancelled: "cancelled"
            }
        return [
            "type": .string(type), "state": .string(word), "subject": .string(subject),
            "created_by": .string(createdBy), "reason": .orNull(reason),
        ]
    }
}
