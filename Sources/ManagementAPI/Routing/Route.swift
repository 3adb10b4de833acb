import HTTPServer

/// One operation: where it is, what it needs, and what does it.
struct Route: Sendable {
    /// Its place in the table.
    var number = 0
    let method: HTTPMethod
    let template: PathTemplate
    let scope: Scope
    let body: BodyRule
    /// The query parameters it takes.
    let query: [String]
    let effect: Effect
    /// How it counts among the requests to its namespace's data.
    let traffic: Traffic
    /// Whether the second daemon serves it too.
    let isHealth: Bool
    let run: @Sendable (Call) throws(Problem) -> Outcome

    enum BodyRule: Equatable, Sendable {
        case none
        /// Needs `Content-Type: application/json`.
        case json(bytesMax: Int)
        /// Any bytes.
        case raw(bytesMax: Int)
        /// Any bytes, of any number, read as they come.
        case stream

        var bytesMax: Int {
            switch self {
            case .none, .stream: BodyRule.ignoredBytesMax
            case .json(let bytesMax), .raw(let bytesMax): bytesMax
            }
        }

        /// Of a body that the operation has no use for: read, so that it can be refused in words.
        static let ignoredBytesMax = 64 << 10
        static let jsonBytesMax = 1 << 20
    }

    /// Refused by whoever is not the primary, before the body is read.
    enum Effect: Equatable, Sendable {
        case reads
        case changes(needsSpace: Bool)
    }

    /// What the rates and the limit of a namespace's requests are made of.
    enum Traffic: Sendable {
        /// It manages the namespace, or is of none.
        case none
        case read, write
    }

    /// What a resource has done.
    enum Outcome: Sendable {
        case response(Response)
        /// It will answer through the call.
        case later
    }

    init(
        _ method: HTTPMethod, _ template: String, _ scope: Scope, body: BodyRule = .none,
        query: [String] = [], effect: Effect = .reads, isHealth: Bool = false,
        isManagement: Bool = false,
        _ run: @escaping @Sendable (Call) throws(Problem) -> Outcome
    ) {
        self.method = method
        self.template = PathTemplate(template)
        self.scope = scope
        self.body = body
        // Whatever changes something may be sent on to the primary.
        self.query = effect == .reads ? query : query + [Route.redirect]
        self.effect = effect
        self.isHealth = isHealth
        traffic =
            switch scope {
            case .namespaceRead where !isManagement: .read
            case .namespaceWrite where !isManagement: .write
            default: .none
            }
        self.run = run
    }

    static let redirect = "redirect"
}

/// Every operation of a node.
enum RouteTable {
    static let routes: [Route] = all.enumerated().map { number, route in
        var route = route
        route.number = number
        return route
    }

    private static let all: [Route] =
        HealthResource.routes + InfoResource.routes + PageResource.routes
        + MetricsResource.routes + NamespaceResource.routes + NamespaceChanges.routes
        + KeyListResource.routes + KeyResource.routes + BatchResource.routes
        + NodeResource.routes + NodeChanges.routes + TopologyResource.routes
        + TopologyHistoryResource.routes + DriftResource.routes + LinkResource.routes
        + SyncResource.routes + OperationResource.routes + PeerLog.routes
        + PeerSnapshots.routes + PeerTopology.routes + PeerMembership.routes
        + PeerReign.routes + FailoverResource.routes + SwitchoverResource.routes
        + RollbackResource.routes + PeerQuestions.routes + PeerCatalog.routes + TokenResource.routes
        + EventResource.routes + SessionResource.routes + AuditResource.routes
        + ManyKeysResource.routes + ExportResource.routes + ImportResource.routes
        + MeasurementResource.routes

    /// What the second daemon serves.
    static let healthRoutes: [Route] = routes.filter(\.isHealth)
}
