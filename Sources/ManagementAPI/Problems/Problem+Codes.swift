import Access
import HTTPServer
import JSON
import Platform

/// The one place where a code gets its status.
extension Problem {
    static func malformedRequest(_ detail: String) -> Problem {
        Problem(400, "malformed-request", detail)
    }

    static func malformedJSON(_ detail: String) -> Problem {
        Problem(400, "malformed-json", detail)
    }

    static func unknownField(_ faults: [Fault]) -> Problem {
        Problem(
            400, "unknown-field",
            "The document has a field that this request does not know; see errors. Nothing was done."
        ).with(faults)
    }

    static func invalidArgument(_ detail: String) -> Problem {
        Problem(400, "invalid-argument", detail)
    }

    static func unauthorized(_ detail: String) -> Problem {
        Problem(401, "unauthorized", detail)
            .with(header: "WWW-Authenticate", "Bearer realm=\"convoy\"")
    }

    /// The credential does not reach as far as `scope`.
    static func forbidden(scope: String) -> Problem {
        Problem(
            403, "forbidden",
            "This needs the scope \(scope), which the token does not have. Use a token that has it."
        ).with("scope", .string(scope))
    }

    static func badHost(_ detail: String) -> Problem { Problem(403, "bad-host", detail) }

    static func badOrigin(_ detail: String) -> Problem { Problem(403, "bad-origin", detail) }

    static func peerNotTrusted(_ detail: String) -> Problem {
        Problem(403, "peer-not-trusted", detail)
    }

    static func otherCluster(_ members: [(String, JSONValue)]) -> Problem {
        var problem = Problem(
            403, "other-cluster", "This node belongs to another cluster. Nothing was done.")
        problem.members = members
        return problem
    }

    static func readOnly(_ namespace: String) -> Problem {
        Problem(
            403, "read-only",
            "The namespace \(namespace) is read-only. PATCH it with read_only false to write again."
        )
    }

    static func notFound(_ detail: String) -> Problem { Problem(404, "not-found", detail) }

    static func methodNotAllowed(_ allowed: [String]) -> Problem {
        let methods = allowed.joined(separator: ", ")
        return Problem(405, "method-not-allowed", "This path allows \(methods).")
            .with(header: "Allow", methods)
    }

    static func conflict(_ code: String, _ detail: String) -> Problem {
        Problem(409, code, detail)
    }

    static let eventsGone = Problem(
        410, "events-gone",
        "Events after that one are kept no more, or it is of an earlier run of this node, or of another node. Read the state anew, and ask without Last-Event-ID."
    )

    static func preconditionFailed(_ detail: String) -> Problem {
        Problem(412, "precondition-failed", detail)
    }

    static func tooLarge(_ detail: String, limitBytes: Int) -> Problem {
        Problem(413, "too-large", detail).with("limit_bytes", JSONValue(limitBytes))
    }

    static let unsupportedMediaType = Problem(
        415, "unsupported-media-type",
        "The body must be JSON: send it with Content-Type: application/json.")

    static func rangeNotSatisfiable(size: UInt64) -> Problem {
        Problem(416, "range-not-satisfiable", "The file has \(size) bytes.")
            .with(header: "Content-Range", "bytes */\(size)")
    }

    /// There is at least one fault.
    static func validationFailed(_ faults: [Fault]) -> Problem {
        Problem(
            422, "validation-failed",
            "The document is not valid; see errors for every fault. Nothing was done."
        ).with(faults)
    }

    static func nameMismatch(_ detail: String) -> Problem { Problem(422, "name-mismatch", detail) }

    static func preconditionRequired(_ detail: String) -> Problem {
        Problem(428, "precondition-required", detail)
    }

    static func tooManyRequests(_ detail: String) -> Problem {
        Problem(429, "too-many-requests", detail).with(header: "Retry-After", "1")
    }

    /// By the limit of one namespace.
    static func tooManyRequests(to namespace: String, limit: UInt64, wait: Duration) -> Problem {
        let milliseconds = max(1, (wait.wholeNanoseconds + 999_999) / 1_000_000)
        return Problem(
            429, "too-many-requests",
            "The namespace \(namespace) takes \(limit) requests a second at this node, its max_requests_per_second. Nothing was done; wait, or raise the limit."
        ).with("quota", "max_requests_per_second").with("limit", JSONValue(limit))
            .with("retry_after_ms", JSONValue(milliseconds))
            .with(header: "Retry-After", "\((milliseconds + 999) / 1_000)")
    }

    static func tooManyFailedLogins(retryAfter seconds: Int) -> Problem {
        Problem(
            429, "too-many-failed-logins",
            "Too many wrong credentials came from this address: more than \(FailedLogins.perAddressMax) a minute. Send the right one, or wait."
        ).with(header: "Retry-After", "\(seconds)")
    }

    static func internalError(_ detail: String) -> Problem {
        Problem(500, "internal-error", detail)
    }

    static func nodeUnreachable(_ detail: String) -> Problem {
        Problem(502, "node-unreachable", detail)
    }

    static func notReady(_ detail: String) -> Problem {
        Problem(503, "not-ready", detail).with(header: "Retry-After", "1")
    }

    static let noPrimary = Problem(
        503, "no-primary", "No primary is known at present. Nothing was done; try again."
    ).with(header: "Retry-After", "1")

    static func busy(_ detail: String) -> Problem {
        Problem(503, "busy", detail).with(header: "Retry-After", "1")
    }

    static let outcomeUnknown = Problem(
        503, "outcome-unknown",
        "The node stopped before the outcome was known: the change may have been made, or not.")

    static let stopping = Problem.busy("The node is stopping. Nothing was done; ask another node.")

    static func insufficientStorage(_ code: String, _ detail: String) -> Problem {
        Problem(507, code, detail)
    }
}
