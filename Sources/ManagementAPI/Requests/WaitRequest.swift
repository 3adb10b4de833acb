import HTTPServer
import JSON
import Node
import Platform

/// What a request waits for before it is answered: `?wait=…&timeout=30s&stable_for=0s`.
struct WaitRequest: Sendable {
    var predicates: [WaitPredicate]
    var timeout: Duration
    var stableFor: Duration

    static let parameters = ["wait", "timeout", "stable_for"]
    static let timeoutDefault: Duration = .seconds(30)
    /// As openapi/convoy.yaml says.
    static let predicatesMax = 8

    /// The text `admitted` says what can be asked of the subject, for the refusal.
    init(_ query: Query, about subject: WaitSubject, admitted: String) throws(Problem) {
        timeout =
            try query.duration("timeout", max: WaitHub.timeoutMax) ?? WaitRequest.timeoutDefault
        stableFor = try query.duration("stable_for", max: WaitHub.timeoutMax) ?? .zero
        predicates = []
        for text in query.all(Query.repeatable) {
            guard let predicate = WaitPredicate(text), subject.admits(predicate) else {
                throw .invalidArgument("wait must be one of \(admitted).")
            }
            predicates.append(predicate)
        }
        guard predicates.count <= WaitRequest.predicatesMax else {
            throw .invalidArgument("wait may be there \(WaitRequest.predicatesMax) times at most.")
        }
    }
}

extension Call {
    /// Answers with the subject once all that the request waits for holds; at once if that is nothing.
    /// `object` has it by the report that ended the wait, or, without one, as it is now.
    func answer(
        _ subject: WaitSubject, admitted: String,
        _ object: @escaping @Sendable (SyncReport?) -> JSONValue?
    ) throws(Problem) -> Route.Outcome {
        let request = try WaitRequest(query, about: subject, admitted: admitted)
        guard let now = object(nil) else { throw gone(subject) }
        guard !request.predicates.isEmpty else { return .response(.json(now)) }
        let ticket = watchAdmission { respond($0) }
        let isWaiting = node.waits.wait(
            for: subject, request.predicates, stableFor: request.stableFor,
            until: .now() + request.timeout,
            isAbandoned: { exchange.isAbandoned || ticket.isOver }
        ) { outcome in
            // Else the watch has answered: the right to wait has ended.
            guard ticket.cancel() else { return }
            switch outcome {
            case .met(let report):
                if let value = object(report) {
                    respond(.json(value))
                } else {
                    respond(gone(subject))
                }
            case .unmet(let predicates):
                respond(unmet(predicates, after: request.timeout, object(nil)))
            case .operationFailed:
                respond(operationFailed(object(nil)))
            case .gone:
                respond(gone(subject))
            case .stopping:
                respond(.stopping)
            }
        }
        guard isWaiting else {
            ticket.cancel()
            throw .tooManyRequests(
                "\(WaitHub.waitersMax) requests wait at this node already. Try again, or ask without wait."
            )
        }
        return .later
    }

    func operationFailed(_ current: JSONValue?) -> Problem {
        Problem.conflict(
            "operation-failed", "The operation has ended, but did not succeed; current says why."
        ).with("current", .orNull(current))
    }

    func unmet(
        _ predicates: [WaitPredicate], after timeout: Duration, _ current: JSONValue?
    ) -> Problem {
        Problem(
            504, "wait-timeout",
            "What was waited for did not come within \(timeout.inSeconds) s; unmet says what, current how it is."
        ).with("unmet", .array(predicates.map { .string("\($0)") }))
            .with("current", .orNull(current))
    }

    func gone(_ subject: WaitSubject) -> Problem {
        switch subject {
        case .sync: .notReady("The state of the cluster is not known.")
        case .node: .notFound("There is no such node. GET /v1/nodes lists them.")
        case .operation: .notFound("There is no such operation. GET /v1/operations lists them.")
        }
    }
}
