import Log
public import Platform
import Replication
public import Topology

/// Where what runs differs from what is configured.
public struct DriftReport: Sendable {
    /// Each with the time since when it has been there.
    public var items: [(item: DriftItem, since: UnixMilliseconds)]
    /// Nodes that have not been looked at since the newest document is known, so that nothing is said
    /// of them; for milliseconds, after a change.
    public var unseen: [NodeName]

    public var isConverged: Bool { items.isEmpty && unseen.isEmpty }
}

/// Comparing the document with what was seen of the nodes after it was known.
extension Node {
    /// Where what runs differs from what is configured, each with the time since when. Looked for
    /// twice a second, whether or not anybody asks, so that the times are right.
    @discardableResult
    public func driftReport() -> DriftReport {
        guard let document = state.document else { return DriftReport(items: [], unseen: []) }
        let now = UnixMilliseconds.now()
        if let item = ownAbsence(document) {
            return DriftReport(items: drift.dated([item], unseen: []), unseen: [])
        }
        let observations = document.nodes.compactMap { observation(of: $0, in: document, now) }
        let unseen = unseenNodes(document)
        let items = document.drift(
            observations: observations, links: runningLinks(), unseen: Set(unseen.map(\.number)))
        return DriftReport(
            items: drift.dated(items, unseen: Set(unseen.map(\.number))),
            unseen: unseen.map(\.name))
    }

    /// On the control loop: from now on only what is seen after this moment is compared with `document`.
    func noteDocument(_ document: TopologyDocument) {
        let isNew = documentKnown.withLock { known in
            guard known?.version != document.version else { return false }
            known = (document.version, .now())
            return true
        }
        guard isNew else { return }
        // Nothing is waited for from who does not answer.
        for record in document.nodes where peers.observation(of: record.number)?.isReachable == true
        {
            peers.poke(record.number)
        }
    }

    /// The nodes that answer, and were last asked before this node knew of the document: what they did
    /// then says nothing about it.
    private func unseenNodes(_ document: TopologyDocument) -> [NodeRecord] {
        let since = documentKnown.withLock { $0?.version == document.version ? $0?.at : nil }
        return document.nodes.filter { record in
            guard record.number != state.facts.number, document.role(of: record.number) != nil,
                let seen = peers.observation(of: record.number), seen.isReachable
            else { return false }
            return since.map { seen.asked < $0 } ?? true
        }
    }

    /// A node outside the topology looks at nobody, so it can tell of itself alone.
    private func ownAbsence(_ document: TopologyDocument) -> DriftItem? {
        guard let own = state.facts.number, document.node(numbered: own)?.name != name else {
            return nil
        }
        return DriftItem(
            kind: .nodeUnknown, number: own, node: name.rawValue,
            detail:
                "this node is not in the topology, and looks at no other: ask a node that is")
    }

    private func observation(
        of record: NodeRecord, in document: TopologyDocument, _ now: UnixMilliseconds
    ) -> NodeObservation? {
        if record.number == state.facts.number {
            let own = report()
            return NodeObservation(
                number: record.number, name: record.name, isReachable: true, isSameLineage: true,
                role: own.running?.role, state: own.running?.state,
                upstream: session?.upstream.number, version: state.document?.version,
                applied: own.position?.index,
                catalogAgrees: own.hasAlarm(.catalogDiffers) ? false : nil, observedAt: now)
        }
        guard let seen = peers.observation(of: record.number) else { return nil }
        let status = seen.status
        let upstream = status?.report.running?.upstream
            .flatMap(NodeName.init(_:)).flatMap { state.document?.node(named: $0)?.number }
        return NodeObservation(
            number: record.number, name: status.flatMap { NodeName($0.name) },
            isReachable: seen.isReachable,
            isSameLineage: status.map { $0.lineage == state.lineage },
            role: status?.report.running?.role, state: status?.report.running?.state,
            upstream: upstream, version: status?.document?.version,
            applied: status?.extent.position.index,
            catalogAgrees: catalogDiffers(
                record.number, seen.isReachable ? status?.report : nil, document) ? false : nil,
            observedAt: seen.heardAt ?? seen.askedAt, wasHeard: seen.heardAt != nil)
    }

    /// By the same words as the alarms of `GET /v1/sync`: what this node or the upstream of the other one
    /// has found, or the other one says of itself.
    private func catalogDiffers(
        _ number: NodeNumber, _ told: NodeReport?, _ document: TopologyDocument
    ) -> Bool {
        knownAlarms(of: number, in: document).contains {
            $0.code == AlarmCode.catalogDiffers.rawValue
        } || told?.hasAlarm(.catalogDiffers) == true
    }

    private func runningLinks() -> [LinkObservation] {
        guard let own = state.facts.number else { return [] }
        var links = source.links().map { LinkObservation(source: own, replica: $0.replica) }
        if let session, let word = RunningState(rawValue: session.status.state.rawValue),
            word.hasLink
        {
            links.append(LinkObservation(source: session.upstream.number, replica: own))
        }
        return links
    }
}
