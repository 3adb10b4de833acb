public import JSON
public import Log
public import Platform
public import Topology

/// What a replica tells its upstream each second, and after applying: `POST /replication/acks`.
public struct AckReport: Equatable, Sendable {
    public var node: NodeNumber
    /// The session that streams; an acknowledgement of another one counts for nothing.
    public var session: String
    /// What the replica's serving state holds.
    public var applied: Position
    /// Where the stream of this session has come to: also into a state that does not serve yet.
    public var received: LogIndex
    /// What of it is synced.
    public var durable: LogIndex
    /// The state word of the session, as in the API.
    public var state: String
    public var catalogDigest: Hash128
    public var catalogIndex: LogIndex
    public var generation: Generation
    public var diskFreeBytes: UInt64
    /// The nodes that follow the replica, directly or through others.
    public var followers: [Follower]

    /// A node further down, by the replica's word.
    public struct Follower: Equatable, Sendable {
        public var node: NodeNumber
        public var applied: LogIndex
        public var durable: LogIndex

        public init(node: NodeNumber, applied: LogIndex, durable: LogIndex) {
            self.node = node
            self.applied = applied
            self.durable = durable
        }
    }

    public init(
        node: NodeNumber, session: String, applied: Position, received: LogIndex, durable: LogIndex,
        state: String, catalogDigest: Hash128, catalogIndex: LogIndex, generation: Generation,
        diskFreeBytes: UInt64, followers: [Follower] = []
    ) {
        self.node = node
        self.session = session
        self.applied = applied
        self.received = received
        self.durable = durable
        self.state = state
        self.catalogDigest = catalogDigest
        self.catalogIndex = catalogIndex
        self.generation = generation
        self.diskFreeBytes = diskFreeBytes
        self.followers = followers
    }

    /// The lowest applied index of the replica and all that follow it: what the log is kept for.
    public var subtreeApplied: LogIndex {
        followers.reduce(applied.index) { min($0, $1.applied) }
    }

    public var json: JSONValue {
        .object([
            "node": JSONValue(node.rawValue),
            "session": .string(session),
            "applied": .position(applied),
            "received_index": .index(received),
            "durable_index": .index(durable),
            "state": .string(state),
            "catalog": .object(["digest": .hash(catalogDigest), "index": .index(catalogIndex)]),
            "generation": JSONValue(generation.rawValue),
            "disk_free_bytes": JSONValue(min(diskFreeBytes, UInt64(Int64.max))),
            "followers": .array(
                followers.map {
                    .object([
                        "node": JSONValue($0.node.rawValue), "applied_index": .index($0.applied),
                        "durable_index": .index($0.durable),
                    ])
                }),
        ])
    }

    /// Nil when something is missing or out of bounds.
    public init?(json: JSONValue) {
        guard let node = json.node("node"), let session = json.text("session"),
            PeerIdentity.isSessionID(session), let applied = json.position("applied"),
            let received = json.index("received_index"), let durable = json.index("durable_index"),
            let state = json.text("state"),
            state.utf8.count <= 32, let catalog = json["catalog"],
            let digest = catalog.hash("digest"), let catalogIndex = catalog.index("index"),
            let generation = json.generation("generation"),
            let free = json.unsigned("disk_free_bytes", UInt64.self),
            let items = json["followers"]?.arrayValue, items.count <= TopologyDocument.nodesMax
        else { return nil }
        var followers: [Follower] = []
        for item in items {
            guard let node = item.node("node"), let applied = item.index("applied_index"),
                let durable = item.index("durable_index")
            else { return nil }
            followers.append(Follower(node: node, applied: applied, durable: durable))
        }
        self.init(
            node: node, session: session, applied: applied, received: received, durable: durable,
            state: state, catalogDigest: digest, catalogIndex: catalogIndex, generation: generation,
            diskFreeBytes: free, followers: followers)
    }
}
