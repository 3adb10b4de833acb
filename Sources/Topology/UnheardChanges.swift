public import Log

/// Changes of the topology that somebody may not have heard of who could still reign by the document
/// before them. Until enough have, nothing that is written after them may be answered. Pure.
///
/// With n replicas and `min_in_sync_replicas` k, a candidate reigns exclusively by the promises of
/// more than n − k of the nodes of the document that *it* knows, and k replicas and the primary have
/// every answered write. Both meet in one node as long as they are counted among the same nodes.
/// After a node was added they may not: the new replica's acknowledgement answers a write, and a
/// candidate that was cut off meanwhile counts only nodes that lack it. So such a change counts only
/// once k of the old replicas have applied its entry, as every write before it did: then each set of
/// promises that the old document calls exclusive holds a node that knows the new one.
///
/// Removed nodes are not waited for: to remove a node is to vouch that nobody promotes it. Nor is
/// anybody when k is lowered, for that is done so that writes go on without the silent ones.
public struct UnheardChanges: Equatable, Sendable {
    private struct Member: Hashable, Sendable {
        var number: NodeNumber
        var name: NodeName
    }

    private struct Change: Equatable, Sendable {
        var generation: Generation
        var index: LogIndex
        /// Who had a role in the document before.
        var members: Set<Member>
        /// So many of them, the primary among them, must have applied the entry.
        var holders: Int
    }

    /// What is not known widely enough, and by whom.
    public struct Obstacle: Equatable, Sendable {
        public let generation: Generation
        /// Nodes that have not said that they have it; some of them must.
        public let nodes: [NodeRecord]

        public init(generation: Generation, nodes: [NodeRecord]) {
            self.generation = generation
            self.nodes = nodes
        }
    }

    /// In the order of the log.
    private var open: [Change] = []
    /// Up to this generation everything was heard that had to be; nil when nothing had to be.
    public private(set) var heard: Generation?

    public init() {}

    /// What may be unheard after the documents `history`, in order, of which everything up to
    /// `heard` was found to be known before. Whoever has applied `index` knows all of them.
    public init(history: [TopologyDocument], heard: Generation?, knownAt index: LogIndex) {
        for (before, after) in zip(history, history.dropFirst())
        where after.generation > heard ?? Generation(0) {
            note(before, after, at: index)
        }
    }

    public var isEmpty: Bool { open.isEmpty }

    /// Nothing from this index on may be answered; nil when everything may.
    public var firstHeldBack: LogIndex? { open.first?.index }

    /// The document `before` was replaced by `after` in the entry `index`.
    public mutating func note(
        _ before: TopologyDocument, _ after: TopologyDocument, at index: LogIndex
    ) {
        let members = UnheardChanges.members(before)
        guard before.minInSyncReplicas > 0, !UnheardChanges.members(after).isSubset(of: members)
        else { return }
        open.append(
            Change(
                generation: after.generation, index: index, members: members,
                holders: before.minInSyncReplicas + 1))
    }

    /// Drops what is known widely enough. `document` is the current one, whose primary knows
    /// everything; `applied` says what another node has applied.
    public mutating func settle(
        in document: TopologyDocument, applied: (NodeNumber) -> LogIndex
    ) {
        let current = UnheardChanges.members(document)
        open.removeAll { change in
            let members = change.members.intersection(current)
            let holders = members.count { member in
                member.number == document.primary || applied(member.number) >= change.index
            }
            guard holders >= min(change.holders, members.count) else { return false }
            heard = max(heard ?? change.generation, change.generation)
            return true
        }
    }

    /// Why an entry at `index` may not be answered yet; nil when it may.
    public func obstacle(
        at index: LogIndex, in document: TopologyDocument, applied: (NodeNumber) -> LogIndex
    ) -> Obstacle? {
        guard let change = open.first, change.index <= index else { return nil }
        let missing = document.nodes.filter { record in
            change.members.contains(Member(number: record.number, name: record.name))
                && document.role(of: record.number) != nil && record.number != document.primary
                && applied(record.number) < change.index
        }
        return Obstacle(generation: change.generation, nodes: missing)
    }

    private static func members(_ document: TopologyDocument) -> Set<Member> {
        Set(
            document.nodes.filter { document.role(of: $0.number) != nil }
                .map { Member(number: $0.number, name: $0.name) })
    }
}
