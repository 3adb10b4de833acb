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
    /// or this node knows the subject itself, `known`, and can wait for it.
    func askPeers(
        about subject: WaitSubject, _ path: String, admitted: String,
        known: @escaping @Sendable () -> JSONValue?,
        verdict: @escaping @Sendable (JSONValue) -> Verdict
    ) throws(Problem) -> Route.Outcome {
        let request = try WaitRequest(query, about: subject, admitted: admitted)
        return try later(on: api.asking) { [self] () throws(Problem) -> Route.Outcome in
            let deadline = MonotonicTime.now() + request.timeout
            while true {
                guard known() == nil else {
                    return try answer(subject, admitted: admitted, known)
                }
                guard let told = node.askPeers(path) else {
                    throw node.engine == nil ? Problem(ChangeFailure.notReady) : gone(subject)
                }
                if request.predicates.isEmpty { return .response(.json(told)) }
                switch verdict(told) {
                case .met: return .response(.json(told))
                case .failed: throw operationFailed(told)
                case .unmet: break
                }
                guard MonotonicTime.now() < deadline, !exchange.isAbandoned else {
                    throw unmet(request.predicates, after: request.timeout, told)
                }
                _ = Monitor(()).wait(until: .now() + Call.askPause) { _ -> Void? in nil }
            }
        }
    }
}
