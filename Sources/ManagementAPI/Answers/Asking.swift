import HTTPServer
import JSON
import Node
import Platform

/// What this node does not know is asked of its peers, so that any node may be asked about any node
/// or operation, also while it is behind.
extension Call {
    /// What a peer's answer means to the request that waits.
    enum Verdict {
        case met
        case unmet
        case failed
    }

    private static let askPause: Duration = .milliseconds(200)

    /// Answers with what a peer knows at `path`; with predicates, once `verdict` says that they hold,
    /// or this node knows the subject itself, `object`, and can wait for it.
    func askPeers(
        about subject: WaitSubject, _ path: String, admitted: String,
        object: @escaping @Sendable (SyncReport?) -> JSONValue?,
        verdict: @escaping @Sendable (JSONValue) -> Verdict
    ) throws(Problem) -> Route.Outcome {
        let request = try WaitRequest(query, about: subject, admitted: admitted)
        return try later(on: api.asking) { [self] () throws(Problem) -> Route.Outcome in
            let deadline = MonotonicTime.now() + request.timeout
            while true {
                guard object(nil) == nil else {
                    return try answer(subject, admitted: admitted, object)
                }
                var told: JSONValue?
                switch node.askPeers(path) {
                case .found(let value):
                    if request.predicates.isEmpty { return .response(.json(value)) }
                    switch verdict(value) {
                    case .met: return .response(.json(value))
                    case .failed: throw operationFailed(value)
                    case .unmet: told = value
                    }
                case .unknown:
                    throw node.engine == nil ? Problem(ChangeFailure.notReady) : gone(subject)
                case .unheard:
                    // Who did not answer may be the one that knows it.
                    if request.predicates.isEmpty {
                        throw .notReady("Not every node has answered in time. Ask again.")
                    }
                }
                guard MonotonicTime.now() < deadline, !exchange.isAbandoned else {
                    throw unmet(request.predicates, after: request.timeout, told)
                }
                _ = Monitor(()).wait(until: .now() + Call.askPause) { _ -> Void? in nil }
            }
        }
    }
}
