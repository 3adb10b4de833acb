import Engine
import HTTPServer
import JSON
import Node
import Platform
import Topology

/// One request that was let in, on its way to its answer.
struct Call: Sendable {
    let api: ManagementAPI
    let request: Request
    let route: Route
    let parameters: [(name: String, value: String)]
    let query: Query
    let redirects: Bool
    let caller: Caller
    let exchange: Exchange
    let began: MonotonicTime

    var node: Node { api.node }
    var head: RequestHead { request.head }

    /// The value of a parameter of the route's template.
    func parameter(_ name: String) -> String {
        guard let value = parameters.first(where: { $0.name == name })?.value else {
            fatalError("\(route.template.text) has no {\(name)}")
        }
        return value
    }

    // MARK: - Answering

    func respond(_ response: Response) {
        var response = response
        if case .read = route.traffic {
            response.owner = parameters.first { $0.name == "ns" }?.value
        }
        exchange.respond(api.finish(response, for: head))
        api.counters[route.number].count(status: response.status, duration: .now() - began)
        api.noteAnswer()
    }

    func respond(_ problem: Problem) { respond(problem.response(requestID: head.requestID)) }

    /// Has the answer made on a thread that may block; refuses when too much waits for one.
    func later(
        on errands: Errands, _ work: @escaping @Sendable () throws(Problem) -> Route.Outcome
    ) throws(Problem) -> Route.Outcome {
        let isTaken = errands.run {
            do throws(Problem) {
                if case .response(let response) = try work() { respond(response) }
            } catch {
                respond(error)
            }
        }
        guard isTaken else {
            throw .busy(
                "Too much of this goes on at this node already. Nothing was done; try again.")
        }
        return .later
    }

    // MARK: - Reading

    /// The state that serves now.
    func engine() throws(Problem) -> Engine {
        guard let engine = node.engine else { throw Problem(ChangeFailure.notReady) }
        return engine
    }

    /// The body as JSON.
    func document(valuesMax: Int = 1_000_000) throws(Problem) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: request.body, valuesMax: valuesMax)
        } catch {
            throw Problem(error)
        }
    }

    /// Why a change is made, as the header `X-Change-Reason` says.
    func changeReason() throws(Problem) -> String? { try Call.changeReason(head) }

    /// Also of changes whose own documents have no place for it: the audit has.
    static func changeReason(_ head: RequestHead) throws(Problem) -> String? {
        guard let reason = head.header(reasonHeader), !reason.isEmpty else { return nil }
        guard reason.utf8.count <= TopologyDocument.reasonBytesMax, !reason.contains("\u{FFFD}")
        else {
            throw .invalidArgument(
                "\(Call.reasonHeader) must be UTF-8 of at most \(TopologyDocument.reasonBytesMax) bytes."
            )
        }
        return reason
    }

    static let reasonHeader = "X-Change-Reason"

    // MARK: - Changing

    /// Hands a change to the node, and answers when it is done: with `isLarge` not on the
    /// committer's thread, since the answer takes long to build. A request with an `Idempotency-Key` is
    /// carried out once, and its answer kept.
    ///
    /// - Parameters:
    ///   - change: What is asked for.
    ///   - needsSpace: Refused while the disk is nearly full.
    ///   - acks: How many replicas must have it.
    ///   - isLarge: See above.
    ///   - refused: The answer to a failure, where it is not the usual one.
    ///   - answer: Makes the answer; its position may still lack the chain hash.
    /// - Returns: That the answer comes later.
    /// - Throws: When the request's key is malformed.
    func commit<C: Change>(
        _ change: C, needsSpace: Bool = true, acks: AckDemand? = nil, isLarge: Bool = false,
        refused: (@Sendable (ChangeFailure) -> Problem)? = nil,
        _ answer: @escaping @Sendable (Committed<C.Answer>) -> Response
    ) throws(Problem) -> Route.Outcome {
        let refused = refused ?? { problem($0) }
        let change = admitted(change)
        if let key = try requestKey() {
            keep(change, by: key, needsSpace: needsSpace, acks: acks, refused: refused, answer)
            return .later
        }
        submit(change, needsSpace: needsSpace, acks: acks) { result in
            switch result {
            case .failure(let failure):
                respond(refused(failure))
            case .success(let committed):
                if isLarge, api.parsing.run({ respond(answer(committed)) }) { return }
                respond(answer(committed))
            }
        }
        return .later
    }

    /// What a quota refuses is tried again after some values of the namespace that have expired, and nobody
    /// sees any more, are gone; see ``RoomMaker``.
    func submit<C: Change>(
        _ change: C, needsSpace: Bool, acks: AckDemand?, triesLeft: Int = Call.roomTriesMax,
        _ completion: @escaping @Sendable (Result<Committed<C.Answer>, ChangeFailure>) -> Void
    ) {
        node.submit(change, needsSpace: needsSpace, acks: acks) { result in
            guard case .failure(.refused(.quotaExceeded)) = result, triesLeft > 0,
                let catalog = node.engine?.state.catalog,
                let namespace = try? namespace(catalog)
            else { return completion(result) }
            let before = namespace.currentUsage
            api.roomMaker.makeRoom(in: namespace.record.id, of: node) { isMade in
                let now = namespace.currentUsage
                // The sweep may have been there first.
                guard isMade || now.keys < before.keys || now.bytes < before.bytes else {
                    return completion(result)
                }
                submit(
                    change, needsSpace: needsSpace, acks: acks, triesLeft: triesLeft - 1, completion
                )
            }
        }
    }

    /// A batch may need more room than one look finds.
    static let roomTriesMax = 8

    /// The problem of a change that failed; for a node that is not primary, where to send it.
    func problem(_ failure: ChangeFailure) -> Problem {
        api.problem(failure, head: head, redirects: redirects)
    }
}
