public import Log
import Platform

/// One difference between what is configured and what runs.
public struct DriftItem: Equatable, Sendable {
    public let kind: Kind
    public let number: NodeNumber
    /// The node's name, or `#7` when only its number is known.
    public let node: String
    /// Whom the node shall follow or follows, where that is what differs.
    public let upstream: NodeNumber?
    public let detail: String

    public init(
        kind: Kind, number: NodeNumber, node: String, upstream: NodeNumber? = nil, detail: String
    ) {
        self.kind = kind
        self.number = number
        self.node = node
        self.upstream = upstream
        self.detail = detail
    }

    /// The raw values are the kinds of the HTTP contract.
    public enum Kind: String, CaseIterable, Sendable {
        case orphanLink = "orphan-link"
        case missingLink = "missing-link"
        case wrongUpstream = "wrong-upstream"
        case roleDiffers = "role-differs"
        case generationBehind = "generation-behind"
        case nodeUnknown = "node-unknown"
        case nodeUnreachable = "node-unreachable"
        case catalogDiffers = "catalog-differs"
    }

    /// What is being done about it, or what has to be done.
    public var action: String {
        switch kind {
        case .orphanLink: "its source ends it as soon as it has heard of this generation"
        case .missingLink: "the replica tries again by itself, at least every 5 s"
        case .wrongUpstream:
            "the replica moves as soon as it has heard of this generation; one that follows by a claim of its own does so when its upstream is set once more, be it to the same node"
        case .roleDiffers: "the node changes its role as soon as it has heard of this generation"
        case .generationBehind: "it is told each second"
        case .nodeUnknown:
            "nothing by itself: add the node, or remove it, or start another one at its address"
        case .nodeUnreachable: "it is asked each second; start it, or remove it"
        case .catalogDiffers: "nothing by itself: resync the node"
        }
    }

    /// What stays the same while the difference lasts, however its detail changes: who remembers
    /// since when it is there remembers it by this.
    public struct Identity: Hashable, Sendable {
        public let kind: Kind
        public let number: NodeNumber
        public let upstream: NodeNumber?
    }

    public var identity: Identity { Identity(kind: kind, number: number, upstream: upstream) }
}

extension TopologyDocument {
    /// What differs between this document and what runs, by node and kind.
    ///
    /// A node without an observation counts as unreachable: nothing has converged that nobody has
    /// seen. Of an unreachable node only its links are compared, as their other ends see them, and what
    /// was found of its catalog.
    ///
    /// `observations` holds at most one for each node, outsiders included. `links` are those that
    /// run at any node, as far as known; the replicas' own word in `observations` is added to them. Of
    /// the nodes in `unseen`, which have not been looked at since this document is known, nothing is said.
    public func drift(
        observations: [NodeObservation], links: [LinkObservation], unseen: Set<NodeNumber> = []
    ) -> [DriftItem] {
        var comparison = DriftComparison(document: self, observations: observations, links: links)
        for node in nodes where !unseen.contains(node.number) { comparison.compare(node) }
        comparison.compareOutsiders()
        comparison.findOrphans()
        return comparison.items.sorted {
            ($0.number, $0.kind.rawValue, $0.detail) < ($1.number, $1.kind.rawValue, $1.detail)
        }
    }
}

private struct DriftComparison {
    let document: TopologyDocument
    let observed: [NodeNumber: NodeObservation]
    let links: Set<LinkObservation>
    var items: [DriftItem] = []

    init(
        document: TopologyDocument, observations: [NodeObservation], links: [LinkObservation]
    ) {
        self.document = document
        observed = Dictionary(observations.map { ($0.number, $0) }) {
            $0.observedAt < $1.observedAt ? $1 : $0
        }
        let reported = observations.compactMap { seen -> LinkObservation? in
            guard seen.isReachable, seen.isSameLineage != false, seen.state?.hasLink == true,
                let upstream = seen.upstream
            else { return nil }
            return LinkObservation(source: upstream, replica: seen.number)
        }
        self.links = Set(links + reported)
    }

    mutating func compare(_ node: NodeRecord) {
        let seen = observed[node.number]
        let role = document.role(of: node.number)
        if case .replica(let upstream) = role { compareLink(of: node.number, to: upstream, seen) }
        // It does not mend itself while the node is away, and its upstream may be who has found it.
        if let seen, seen.catalogAgrees == false, seen.isSameLineage != false {
            add(
                .catalogDiffers, node.number,
                "its catalog digest differs from the primary's at the same index")
        }
        guard let seen, seen.isReachable else {
            // Whoever has no role is not waited for.
            guard role != nil else { return }
            return add(.nodeUnreachable, node.number, absence(of: node, seen))
        }
        guard seen.isSameLineage != false else {
            return add(
                .nodeUnknown, node.number,
                "what answers at \(node.address) belongs to another cluster")
        }
        compareRole(of: node.number, role, seen)
        if let version = seen.version, version < document.version {
            add(.generationBehind, node.number, "knows \(version), newest is \(document.version)")
        }
    }

    private func absence(of node: NodeRecord, _ seen: NodeObservation?) -> String {
        guard let seen else { return "has not been asked at \(node.address) yet" }
        let at = seen.observedAt.rfc3339
        return seen.wasHeard
            ? "last answered at \(at)"
            : "has not answered at \(node.address) yet; last asked at \(at)"
    }

    private mutating func compareLink(
        of node: NodeNumber, to upstream: NodeNumber, _ seen: NodeObservation?
    ) {
        let shown = document.label(of: upstream)
        if let actual = seen?.upstream, actual != upstream, seen?.isReachable == true {
            return add(
                .wrongUpstream, node,
                "follows \(document.label(of: actual)), shall follow \(shown)",
                upstream: upstream)
        }
        guard !links.contains(LinkObservation(source: upstream, replica: node)) else { return }
        let state = seen.flatMap { $0.isReachable ? $0.state?.rawValue : nil } ?? "state unknown"
        add(.missingLink, node, "no link with \(shown) (\(state))", upstream: upstream)
    }

    private mutating func compareRole(
        of node: NodeNumber, _ role: ConfiguredRole?, _ seen: NodeObservation
    ) {
        guard let running = seen.role else { return }
        let outside = seen.state == .detached || seen.state == .fenced
        let wanted: String
        let agrees: Bool
        switch role {
        case .primary: (wanted, agrees) = ("primary", running == .primary && !outside)
        case .replica: (wanted, agrees) = ("replica", running == .replica && !outside)
        case nil: (wanted, agrees) = ("detached", outside)
        }
        guard !agrees else { return }
        let state = seen.state.map { " (\($0.rawValue))" } ?? ""
        add(.roleDiffers, node, "runs as \(running.rawValue)\(state), shall be \(wanted)")
    }

    /// Nodes outside the document that do not know it. One that says detached is as it shall be.
    mutating func compareOutsiders() {
        for (number, seen) in observed
        where document.node(numbered: number) == nil && seen.isReachable
            && seen.isSameLineage != false && seen.state != .detached
        {
            let state = seen.state.map { " (\($0.rawValue))" } ?? ""
            add(
                .nodeUnknown, number,
                "runs as \(seen.role?.rawValue ?? "unknown")\(state), and is not in the topology")
        }
    }

    mutating func findOrphans() {
        for link in links
        where document.upstream(of: link.replica) != link.source {
            add(
                .orphanLink, link.replica,
                "a link with \(document.label(of: link.source)) runs and is not configured",
                upstream: link.source)
        }
    }

    private mutating func add(
        _ kind: DriftItem.Kind, _ number: NodeNumber, _ detail: String,
        upstream: NodeNumber? = nil
    ) {
        let known = document.node(numbered: number)?.name ?? observed[number]?.name
        items.append(
            DriftItem(
                kind: kind, number: number, node: known?.rawValue ?? "#\(number)",
                upstream: upstream, detail: detail))
    }
}
