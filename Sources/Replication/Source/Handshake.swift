public import JSON
public import Log
public import Topology

/// What a replica asks when it opens a feed.
public struct FeedRequest: Sendable {
    public var peer: PeerIdentity
    public var after: Position
    /// Of the entry there: decides whether unequal histories are a divergence.
    public var lastReign: Reign?
    public var remoteAddress: String

    public init(
        peer: PeerIdentity, after: Position, lastReign: Reign?, remoteAddress: String
    ) {
        self.peer = peer
        self.after = after
        self.lastReign = lastReign
        self.remoteAddress = remoteAddress
    }
}

/// Why a request of a peer is refused: everything that the problem document needs.
public struct FeedRefusal: Error, Equatable, Sendable {
    public var status: Int
    public var code: String
    public var detail: String
    /// What the code adds to the document.
    public var members: [Member]

    public struct Member: Equatable, Sendable {
        public var name: String
        public var value: JSONValue
    }

    public init(
        _ status: Int, _ code: String, _ detail: String, _ members: [(String, JSONValue)] = []
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.members = members.map { Member(name: $0.0, value: $0.1) }
    }
}

/// What the source knows when it decides.
public struct SourceFacts: Sendable {
    public var identity: PeerIdentity
    /// Nil: this node knows no topology.
    public var topology: TopologyDocument?
    /// Whether this node feeds anybody: it has a state, is attached, not fenced, not swapping.
    public var isServing: Bool
    /// Of the state's last entry.
    public var lastReign: Reign
    public var first: LogIndex
    public var last: Position
    public var reigns: ReignTable

    public init(
        identity: PeerIdentity, topology: TopologyDocument?, isServing: Bool, lastReign: Reign,
        first: LogIndex, last: Position, reigns: ReignTable
    ) {
        self.identity = identity
        self.topology = topology
        self.isServing = isServing
        self.lastReign = lastReign
        self.first = first
        self.last = last
        self.reigns = reigns
    }
}

/// How the asker's position compares with this log.
public enum HistoryCheck: Equatable, Sendable {
    case same
    case differs(at: Position)
    case notRetained
    case ahead
}

/// Decides whether a peer may have what it asks for. Pure.
///
///     not serving ──▶ 421      other lineage, other upstream, unknown node ──▶ 403
///     a reign above ours, ahead, unequal in our reign ──▶ 409 upstream-behind, history-damaged
///     no longer retained, and the asker's last entry is of a higher reign ──▶ 409 upstream-behind
///     unequal, and our last entry's reign is above the asker's ──▶ 409 history-diverged
///     no longer retained ──▶ 410                  same history ──▶ nil: stream
public enum Handshake {
    /// Whether the peer follows this node; for every request under `/replication/` of a follower.
    public static func refusal(of peer: PeerIdentity, _ facts: SourceFacts) -> FeedRefusal? {
        guard facts.isServing, let lineage = facts.identity.lineage,
            let topology = facts.topology, let own = facts.identity.number
        else {
            return FeedRefusal(421, "not-serving", "this node feeds nobody at present")
        }
        let word = PeerVersion(lineage: lineage, version: topology.version, document: nil)
        guard peer.lineage == lineage else {
            return FeedRefusal(
                403, "other-cluster", "this node belongs to another cluster", word.members)
        }
        guard let number = peer.number, topology.isFollower(peer, of: own),
            topology.node(numbered: number)?.name.rawValue == peer.name
        else {
            var full = word
            full.document = topology
            return FeedRefusal(
                403, "not-in-topology",
                "in generation \(topology.generation) of reign \(topology.reign) \(peer.name) is no "
                    + "replica of \(facts.identity.name)", full.members)
        }
        return nil
    }

    /// Whether a feed may begin at the asker's position; nil: stream.
    public static func decide(
        _ request: FeedRequest, _ facts: SourceFacts, _ history: HistoryCheck
    ) -> FeedRefusal? {
        if let refusal = refusal(of: request.peer, facts) { return refusal }

        if let theirs = request.peer.reign, let ours = facts.identity.reign, theirs > ours {
            return FeedRefusal(
                409, "upstream-behind",
                "the asker knows reign \(theirs), this node only \(ours)", hints(facts))
        }
        let askerReign = request.lastReign ?? request.peer.reign ?? facts.lastReign
        switch history {
        case .same:
            return nil
        case .notRetained where facts.lastReign < askerReign:
            // The asker has left this history: it must not be synced back to it.
            return FeedRefusal(
                409, "upstream-behind",
                "the asker's last entry is of reign \(askerReign), this node's of "
                    + "\(facts.lastReign)", hints(facts))
        case .notRetained:
            return FeedRefusal(
                410, "position-not-retained",
                "the log begins at \(facts.first), the asker stands at \(request.after.index)",
                hints(facts) + [("first_index", .index(facts.first))])
        case .differs(let position) where facts.lastReign > askerReign:
            return diverged(
                request, facts, "entry \(position.index) has another hash in both histories")
        case .ahead where facts.lastReign > askerReign:
            return diverged(
                request, facts, "the asker's entries end a reign that this history has left")
        case .differs(let position) where facts.lastReign == askerReign:
            return FeedRefusal(
                409, "history-damaged",
                "both histories end in reign \(askerReign), but entry \(position.index) has two "
                    + "hashes: one of the data directories is damaged or a copy", hints(facts))
        case .differs, .ahead:
            return FeedRefusal(
                409, "upstream-behind",
                "the asker stands at \(request.after.index), this node at \(facts.last.index)",
                hints(facts))
        }
    }

    private static func diverged(
        _ request: FeedRequest, _ facts: SourceFacts, _ detail: String
    ) -> FeedRefusal {
        FeedRefusal(
            409, "history-diverged",
            "\(detail); this one is of reign \(facts.lastReign)", hints(facts))
    }

    /// Where this history stands, so that the asker can find where its own left it.
    private static func hints(_ facts: SourceFacts) -> [(String, JSONValue)] {
        [
            ("last_position", .position(facts.last)),
            ("last_reign", .string("\(facts.lastReign)")),
            ("reigns", facts.reigns.json),
        ]
    }
}

/// What a refused asker is told of the upstream's history.
public struct HistoryHints: Equatable, Sendable {
    public var last: Position
    public var lastReign: Reign
    public var reigns: ReignTable

    public init?(json: JSONValue) {
        guard let last = json.position("last_position"), let reign = json.reign("last_reign"),
            let reigns = json["reigns"].flatMap({ ReignTable(json: $0) })
        else { return nil }
        self.last = last
        self.lastReign = reign
        self.reigns = reigns
    }
}
