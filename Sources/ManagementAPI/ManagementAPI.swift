import Access
import Engine
public import HTTPServer
import Log
public import Node
import Platform
import Replication
import Synchronization
import Topology

/// The HTTP side of a node: resources, problems, the router's table.
///
/// Nothing here waits on an HTTP thread: changes are handed to the node and answered from its
/// threads, and what takes long runs on ``Errands``.
///
/// Each request is checked in this order: Host, Origin, route, credential, whether this node takes
/// changes, Content-Type, size of the body; then it is the resource's.
public final class ManagementAPI: Sendable {
    let node: Node
    let settings: APISettings
    let page: PageFiles
    /// Large documents, and what else costs an HTTP thread too much time.
    let parsing = Errands("api", threadsMax: 2, waitingMax: 256)
    /// Verifications of the audit: each reads all of it.
    let auditing = Errands("api-audit", threadsMax: 1, waitingMax: 8)
    /// What peers ask of the disk: a checkpoint takes seconds.
    let peerWork = Errands("api-peers", threadsMax: 16, waitingMax: 64)
    /// What this node has to ask its peers for.
    let asking = Errands("api-asking", threadsMax: 32, waitingMax: 64)
    /// Reads of many keys.
    let reading = Errands("api-reading", threadsMax: 4, waitingMax: 256)
    /// One thread each, for as long as it takes.
    let exporting = Errands("api-export", threadsMax: 32, waitingMax: 0)
    let exportSlots = TransferSlots(totalMax: 32, perNamespaceMax: 3)
    let importing = Errands("api-import", threadsMax: 32, waitingMax: 0)
    let importSlots = TransferSlots(totalMax: 32, perNamespaceMax: 3)
    let imports = ImportRuns()
    let roomMaker = RoomMaker()
    /// For each of the router's routes, and one for paths that there are not.
    let counters: [RouteCounters]
    let heldSince = HeldConditions()
    let streams = EventStreams()
    private let inFlight = Atomic(0)
    /// Turned away by the limit of their namespace.
    let requestsLimited = Atomic<UInt64>(0)
    let peerGate: PeerGate
    let tokenUse = TokenUse()
    let admissions = AdmissionWatch()
    let sessions: Sessions
    private let credentialClock = CredentialClock()
    private let failedLogins = Monitor(FailedLogins(now: .now()))
    let router: Router
    private let healthRouter: Router
    private let hosts: HostRule

    /// JSON bodies above this are read on a thread of ours.
    private static let inlineBytesMax = 64 << 10

    public init(node: Node, settings: APISettings) {
        self.node = node
        self.settings = settings
        router = Router(RouteTable.routes)
        healthRouter = Router(RouteTable.healthRoutes)
        hosts = HostRule(allowed: settings.allowedHosts, port: settings.port)
        page = PageFiles(settings.pageFiles)
        sessions = Sessions(node: node.name.rawValue)
        peerGate = PeerGate(
            secrets: settings.secret, insecureLinks: settings.insecureLinks)
        counters = (0...RouteTable.routes.count).map { _ in RouteCounters() }
        node.events.onChange { [streams] in streams.tick(at: .now()) }
        node.measurements.countRequests { [weak self] in
            self?.requestCounts() ?? RequestCounts(reads: 0, writes: 0)
        }
    }

    /// For the main listener.
    public var handler: RequestHandler { handler(router) }

    /// For the listener of `--health`, which no load on the main one can reach.
    public var healthHandler: RequestHandler { handler(healthRouter) }

    private func handler(_ router: Router) -> RequestHandler {
        RequestHandler(
            admit: { [self] head in admit(head, router) },
            handle: { [self] request, exchange in handle(request, exchange, router) },
            refusals: refusals)
    }

    // MARK: - Letting in

    /// What a request that was let in needs from here on.
    struct Admission {
        var route: Route
        var parameters: [(name: String, value: String)]
        var query: Query
        /// A replica answers with the primary's address as 307.
        var redirects: Bool
        var caller: Caller
    }

    private func admit(_ head: RequestHead, _ router: Router) -> BodyPolicy {
        // Without a body nothing is gained by an early answer.
        guard head.hasBody else { return .collect(bytesMax: 0) }
        var place = counters.count - 1
        do throws(Problem) {
            let admission = try admission(of: head, router, &place)
            try countTraffic(of: admission)
            if case .stream = admission.route.body { return .stream }
            return .collect(bytesMax: admission.route.body.bytesMax)
        } catch {
            counters[place].count(status: error.status, duration: nil)
            return .reject(finish(error.response(requestID: head.requestID), for: head))
        }
    }

    /// Every check that needs the head alone. `place` becomes that of the counters as soon as the
    /// route is known.
    private func admission(
        of head: RequestHead, _ router: Router, _ place: inout Int
    ) throws(Problem) -> Admission {
        if let refusal = hosts.refusal(of: head.host) { throw refusal }
        if head.method != .get {
            let refusal = OriginRule.refusal(
                method: head.method, origin: head.header("Origin"),
                site: head.header("Sec-Fetch-Site"), host: head.host, isSecure: head.secure)
            if let refusal { throw refusal }
        }
        let (route, parameters) = try resolve(head, router)
        place = route.number
        let caller = try caller(
            of: head, for: route, namespace: parameters.first { $0.name == "ns" }?.value)
        let query = try Query(head.query, allowing: route.query)
        let redirects = try query.flag(Route.redirect)
        if case .changes(let needsSpace) = route.effect,
            let failure = node.earlyRefusal(needsSpace: needsSpace)
        {
            throw problem(failure, head: head, redirects: redirects)
        }
        if case .json = route.body { try checkContentType(head) }
        if head.method != .get { _ = try Call.changeReason(head) }
        return Admission(
            route: route, parameters: parameters, query: query, redirects: redirects,
            caller: caller)
    }

    /// Counts a request to a namespace's data, and turns it away when there are too many. One that
    /// is turned away is not counted. What is of no namespace that exists goes on to be told so.
    private func countTraffic(
        of admission: Admission, at now: MonotonicTime = .now()
    ) throws(Problem) {
        let kind = admission.route.traffic
        guard kind != .none, let text = admission.parameters.first(where: { $0.name == "ns" }),
            let name = NamespaceName(rawValue: text.value),
            let namespace = node.engine?.state.catalog.namespace(named: name)
        else { return }
        let traffic = namespace.traffic
        if let limit = namespace.record.requestsPerSecondMax,
            let wait = traffic.admit(limit: limit, at: now)
        {
            requestsLimited.add(1, ordering: .relaxed)
            throw .tooManyRequests(to: name.rawValue, limit: limit, wait: wait)
        }
        if kind == .read { traffic.countRead(at: now) } else { traffic.countWrite(at: now) }
    }

    private func resolve(
        _ head: RequestHead, _ router: Router
    ) throws(Problem) -> (Route, [(name: String, value: String)]) {
        switch router.resolve(head.method, head.segments) {
        case .found(let route, let parameters): return (route, parameters)
        case .methodNotAllowed(let methods): throw .methodNotAllowed(methods)
        case .notFound:
            throw .notFound("There is nothing at this path. GET /openapi.json lists every path.")
        }
    }

    /// By which credentials end.
    func now() -> UnixMilliseconds { credentialClock.now(node.engine?.state) }

    /// Decides about credentials, by the state that serves now.
    func gate() -> Gate {
        let state = node.engine?.state
        return Gate(
            catalog: state?.catalog, requiresTokenAnyway: state == nil && node.requiresToken,
            now: { [self] in now() },
            session: { [sessions] in sessions.tokenID($0) })
    }

    private func caller(
        of head: RequestHead, for route: Route, namespace: String?
    ) throws(Problem) -> Caller {
        let gate = gate()
        do throws(Problem) {
            let caller = try gate.admit(head, to: scope(of: route), namespace: namespace)
            if let token = caller.token, let catalog = gate.catalog {
                tokenUse.note(token.lookupID, in: catalog)
            }
            return caller
        } catch {
            guard error.status == 401, head.header("Authorization") != nil else { throw error }
            throw afterFailedLogin(from: head, error)
        }
    }

    /// What a wrong credential is answered with: nothing better once there were too many.
    func afterFailedLogin(from head: RequestHead, _ problem: Problem) -> Problem {
        let seconds = failedLogins.withLock { $0.count(head.remoteAddress, now: .now()) }
        return seconds.map { .tooManyFailedLogins(retryAfter: $0) } ?? problem
    }

    func scope(of route: Route) -> Scope {
        settings.opensMetrics && route.template.text == MetricsResource.path ? .open : route.scope
    }

    private func checkContentType(_ head: RequestHead) throws(Problem) {
        let type = head.header("Content-Type")
        guard type != nil || head.hasBody else { return }
        guard let type, ContentType.isJSON(type) else { throw .unsupportedMediaType }
    }

    // MARK: - Handling

    /// Requests that are not answered yet.
    var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

    /// Each request is answered once.
    func noteAnswer() { inFlight.subtract(1, ordering: .relaxed) }

    private func handle(_ request: Request, _ exchange: Exchange, _ router: Router) {
        let began = MonotonicTime.now()
        inFlight.add(1, ordering: .relaxed)
        var place = counters.count - 1
        do throws(Problem) {
            let admission = try admission(of: request.head, router, &place)
            // With a body it was counted before that came.
            if !request.head.hasBody { try countTraffic(of: admission, at: began) }
            let call = Call(
                api: self, request: request, route: admission.route,
                parameters: admission.parameters, query: admission.query,
                redirects: admission.redirects, caller: admission.caller, exchange: exchange,
                began: began)
            try start(call)
        } catch {
            exchange.respond(
                finish(error.response(requestID: request.head.requestID), for: request.head))
            counters[place].count(status: error.status, duration: .now() - began)
            noteAnswer()
        }
    }

    private func start(_ call: Call) throws(Problem) {
        let body = call.request.body
        if case .none = call.route.body, !body.isEmpty, body != Array("{}".utf8) {
            throw .invalidArgument("This request takes no body.")
        }
        guard case .json = call.route.body, body.count > ManagementAPI.inlineBytesMax else {
            return try perform(call)
        }
        let isTaken = parsing.run { [self] in
            do throws(Problem) {
                try perform(call)
            } catch {
                call.respond(error)
            }
        }
        guard isTaken else { throw .busy("Too many large documents at once. Try again.") }
    }

    private func perform(_ call: Call) throws(Problem) {
        switch try call.route.run(call) {
        case .response(let response): call.respond(response)
        case .later: return
        }
    }

    // MARK: - Answering

    /// What every answer has: the request's id, and among nodes who answers, signed.
    func finish(_ response: Response, for head: RequestHead) -> Response {
        var response = response
        response.headers.append((Headers.requestID, head.requestID))
        if PeerGate.isPeerPath(head) {
            response.headers += node.peerIdentity.headers.map { (name: $0.0, value: $0.1) }
            peerGate.sign(&response, for: head)
        }
        return response
    }

    func problem(_ failure: ChangeFailure, head: RequestHead, redirects: Bool) -> Problem {
        let problem = Problem(failure, lineage: node.peerIdentity.lineage)
        guard redirects, case .notPrimary(let primary) = failure else { return problem }
        let query = head.rawQuery.isEmpty ? [] : [UInt8(ascii: "?")] + head.rawQuery
        let target = String(decoding: head.rawPath + query, as: UTF8.self)
        var redirect = problem.with(header: "Location", primary.address.url + target)
        redirect.status = 307
        return redirect
    }

    /// The answers that the listener gives on its own.
    private var refusals: RequestHandler.Refusals {
        @Sendable func answer(_ problem: Problem, _ head: RequestHead) -> Response {
            finish(problem.response(requestID: head.requestID), for: head)
        }
        return RequestHandler.Refusals(
            malformed: { detail, requestID in
                var response = Problem.malformedRequest(detail).response(requestID: requestID)
                response.headers.append((Headers.requestID, requestID))
                return response
            },
            tooLarge: { head, bytesMax in
                answer(
                    .tooLarge("The body may have at most \(bytesMax) bytes.", limitBytes: bytesMax),
                    head)
            },
            busy: {
                answer(.busy("Too many large bodies and answers are on their way. Try again."), $0)
            },
            stopping: { head in
                let isRead = head.method == .get || head.method == .head
                return answer(isRead ? .stopping : .outcomeUnknown, head)
            },
            unreadable: { answer(.internalError("The file cannot be read."), $0) })
    }
}

/// The header `Content-Type`, as far as it matters.
enum ContentType {
    /// `application/json`, alone or with the charset UTF-8.
    static func isJSON(_ text: String) -> Bool {
        let parts = text.lowercased().split(separator: ";", omittingEmptySubsequences: false)
            .map { $0.filter { $0 != " " && $0 != "\t" } }
        guard parts.first == "application/json" else { return false }
        return parts.dropFirst().allSatisfy {
            $0 == "charset=utf-8" || $0 == "charset=\"utf-8\""
        }
    }
}
