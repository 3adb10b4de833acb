import Log
import Platform
import Topology

/// Works out what an entry's writes to the catalog mean to people. Pure.
struct AuditDescription {
    /// As the entries before leave it.
    let catalog: Catalog
    private(set) var changes: [AuditChange] = []
    private(set) var omitted: UInt64 = 0
    private var actions: [(rank: Int, name: String)] = []
    /// Named by the documents that the entry writes.
    private var writer: ChangeAuthor?

    init(_ catalog: Catalog) { self.catalog = catalog }

    /// Of the most telling change.
    var action: String { actions.min { $0.rank < $1.rank }?.name ?? "" }

    /// Who made the change, when nobody has said so: whom the document or operation names.
    var author: ChangeAuthor { writer ?? .system }

    /// One write; nil removes the record.
    mutating func note(_ kind: CatalogKind, _ id: [UInt8], _ value: [UInt8]?) {
        // An entry may make ten thousand namespaces: the rest is only counted.
        guard changes.count < AuditRecord.changesMax else {
            if kind == .namespace || kind == .token { omitted += 1 }
            return
        }
        switch kind {
        case .namespace: noteNamespace(id, value)
        case .token: noteToken(id, value)
        case .topology: noteTopology(value)
        case .operation: noteOperation(id, value)
        case .lineage:
            add(
                .init(
                    subject: "lineage", before: catalog.lineage.map { Self.text("id", $0.hex) },
                    after: value.flatMap { Lineage(encoded: $0) }.map { Self.text("id", $0.hex) }),
                0, catalog.lineage == nil ? "cluster.birth" : "cluster.fork")
        // What follows from the others, or is the audit's own.
        case .topologyHistory, .reign, .sequence, .heardGeneration, .auditHead: break
        }
    }

    private mutating func add(_ change: AuditChange, _ rank: Int, _ action: String) {
        actions.append((rank, action))
        changes.append(change)
    }

    // MARK: - Kinds

    private mutating func noteNamespace(_ id: [UInt8], _ value: [UInt8]?) {
        let old = NamespaceID(encoded: id).flatMap { catalog.namespaces[$0]?.record }
        let new = value.flatMap { NamespaceRecord(id: id, decoding: $0) }
        guard let name = (old ?? new)?.name else { return }
        let isFlush = old.map { old in new.map { $0.epoch != old.epoch } ?? false } ?? false
        add(
            Self.change("namespace:\(name)", old.map(Self.fields), new.map(Self.fields)), 2,
            isFlush ? "namespace.flush" : Self.action("namespace", old != nil, new != nil))
    }

    private static func fields(_ record: NamespaceRecord) -> [AuditField] {
        [
            .init(name: "name", value: .text(record.name.rawValue)),
            .init(name: "id", value: .number(UInt64(record.id.rawValue))),
            .init(name: "epoch", value: .number(UInt64(record.epoch))),
            .init(name: "quota_keys", value: record.quotaKeys.map { .number($0) } ?? .none),
            .init(name: "quota_bytes", value: record.quotaBytes.map { .number($0) } ?? .none),
            .init(name: "read_only", value: .flag(record.isReadOnly)),
        ]
            + [
                ("soft_quota_keys", record.softQuotaKeys),
                ("soft_quota_bytes", record.softQuotaBytes),
                ("max_requests_per_second", record.requestsPerSecondMax),
            ].map { AuditField(name: $0.0, value: $0.1.map { .number($0) } ?? .none) }
    }

    private mutating func noteToken(_ id: [UInt8], _ value: [UInt8]?) {
        let lookupID = String(decoding: id, as: UTF8.self)
        let old = catalog.tokens[lookupID]
        let new = value.flatMap { TokenRecord(id: id, decoding: $0) }
        // The tokens of a namespace come and go with it.
        let isRotation = new?.successor != nil && old?.successor == nil
        add(
            Self.change("token:\(lookupID)", old.map(fields), new.map(fields)), isRotation ? 3 : 4,
            isRotation ? "token.rotate" : Self.action("token", old != nil, new != nil))
    }

    /// Never the hash.
    private func fields(_ record: TokenRecord) -> [AuditField] {
        let name = record.namespace.flatMap { catalog.namespaces[$0]?.record.name.rawValue }
        return [
            .init(
                name: "namespace",
                value: record.namespace.map { .text(name ?? "id \($0.rawValue)") } ?? .none),
            .init(name: "scopes", value: .list(record.scopes.words)),
            .init(name: "description", value: record.description.map { .text($0) } ?? .none),
            .init(
                name: "expires_at", value: record.expiresAt.map { .text($0.rfc3339) } ?? .none),
            .init(name: "networks", value: .list(record.networks)),
            .init(name: "replaced_by", value: record.successor.map { .text($0) } ?? .none),
        ]
    }

    private mutating func noteTopology(_ value: [UInt8]?) {
        guard let new = value.flatMap({ TopologyDocument(decoding: $0) }) else { return }
        let old = catalog.topology
        writer = ChangeAuthor(text: new.changedBy, reason: new.reason)
        let isTakeover = old.map { $0.reign != new.reign } ?? false
        let before = old.map { Self.fields($0, except: new) }
        add(
            Self.change("topology", before, Self.fields(new, except: old)), 1,
            isTakeover ? "topology.reign" : "topology.change")
    }

    /// Of nodes and replicas only those that differ.
    private static func fields(
        _ document: TopologyDocument, except other: TopologyDocument?
    ) -> [AuditField] {
        func nodes(_ document: TopologyDocument) -> [String] {
            document.nodes.map { "\($0.name) at \($0.address)" }
        }
        func replicas(_ document: TopologyDocument) -> [String] {
            document.replicas.map {
                "\(name($0.node, document)) follows \(name($0.upstream, document))"
            }
        }
        func name(_ number: NodeNumber, _ document: TopologyDocument) -> String {
            document.node(numbered: number)?.name.rawValue ?? "\(number)"
        }
        let (theirNodes, theirReplicas) = (
            Set(other.map(nodes) ?? []), Set(other.map(replicas) ?? [])
        )
        return [
            .init(name: "generation", value: .number(document.generation.rawValue)),
            .init(name: "term", value: .number(UInt64(document.reign.term))),
            .init(name: "primary", value: .text(name(document.primary, document))),
            .init(
                name: "min_in_sync_replicas", value: .number(UInt64(document.minInSyncReplicas))),
            .init(
                name: "replicas",
                value: .list(replicas(document).filter { !theirReplicas.contains($0) })),
            .init(
                name: "nodes", value: .list(nodes(document).filter { !theirNodes.contains($0) })),
        ]
    }

    private mutating func noteOperation(_ id: [UInt8], _ value: [UInt8]?) {
        // One that is forgotten for its age is no change.
        guard let new = value.flatMap({ OperationRecord(id: id, decoding: $0) }) else { return }
        let old = catalog.operations[new.id]
        if new.state == .running, writer == nil {
            writer = ChangeAuthor(text: new.createdBy, reason: new.reason)
        }
        let rank = new.state == .running ? 3 : 5
        add(
            Self.change("operation:\(new.id)", old.map(Self.fields), Self.fields(new)), rank,
            "\(new.type).\(Self.word(new.state))")
    }

    private static func fields(_ record: OperationRecord) -> [AuditField] {
        [
            .init(name: "type", value: .text(record.type)),
            .init(name: "node", value: .text(record.subject)),
            .init(name: "state", value: .text(word(record.state))),
            .init(name: "error", value: record.errorCode.map { .text($0) } ?? .none),
        ]
    }

    private static func word(_ state: OperationRecord.State) -> String {
        switch state {
        case .running: "begin"
        case .succeeded: "success"
        case .failed: "failure"
        case .cancelled: "cancel"
        }
    }

    // MARK: - Parts

    private static func action(_ kind: String, _ was: Bool, _ is: Bool) -> String {
        "\(kind).\(was ? (`is` ? "change" : "delete") : "create")"
    }

    private static func text(_ name: String, _ text: String) -> [AuditField] {
        [AuditField(name: name, value: .text(text))]
    }

    /// Of something that was and is, only the fields that differ.
    private static func change(
        _ subject: String, _ before: [AuditField]?, _ after: [AuditField]?
    ) -> AuditChange {
        guard let before, let after else {
            return AuditChange(subject: subject, before: before, after: after)
        }
        return AuditChange(
            subject: subject, before: before.filter { !after.contains($0) },
            after: after.filter { !before.contains($0) })
    }
}
