import Log

/// A wanted topology by names, as `PUT /v1/topology` takes it, before validation.
///
/// What GET showed may come back: `generation`, `term`, `number`, `changedAt` and `changedBy` are
/// nil or must be current.
public struct TopologyRequest: Equatable, Sendable {
    public var generation: Int?
    public var term: Int?
    public var primary: String?
    public var replicas: [Replica]
    public var minInSyncReplicas: Int
    public var nodes: [Node]
    /// As GET shows it (RFC 3339).
    public var changedAt: String?
    public var changedBy: String?
    public var reason: String?

    public struct Replica: Equatable, Sendable {
        public var node: String
        public var upstream: String?

        public init(node: String, upstream: String?) {
            self.node = node
            self.upstream = upstream
        }
    }

    public struct Node: Equatable, Sendable {
        public var name: String
        public var number: Int?
        public var address: String

        public init(name: String, number: Int? = nil, address: String) {
            self.name = name
            self.number = number
            self.address = address
        }
    }

    public init(
        generation: Int? = nil, term: Int? = nil, primary: String?, replicas: [Replica],
        minInSyncReplicas: Int, nodes: [Node], changedAt: String? = nil, changedBy: String? = nil,
        reason: String? = nil
    ) {
        self.generation = generation
        self.term = term
        self.primary = primary
        self.replicas = replicas
        self.minInSyncReplicas = minInSyncReplicas
        self.nodes = nodes
        self.changedAt = changedAt
        self.changedBy = changedBy
        self.reason = reason
    }

    /// Asks for what `document` says, for its reason; numbers and versions are left out.
    public init(_ document: TopologyDocument) {
        self.init(
            primary: document.label(of: document.primary),
            replicas: document.replicas.map {
                Replica(
                    node: document.label(of: $0.node), upstream: document.label(of: $0.upstream))
            },
            minInSyncReplicas: document.minInSyncReplicas,
            nodes: document.nodes.map { Node(name: $0.name.rawValue, address: $0.address.url) },
            reason: document.reason)
    }
}
