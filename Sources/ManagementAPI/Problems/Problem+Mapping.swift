import Engine
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// The one place where the errors of the modules below become answers. No `default`: a new case
/// must choose its status here.
extension Problem {
    /// The lineage is of this node's cluster, for the ETag of a topology.
    init(_ refusal: Refusal, lineage: Lineage? = nil) {
        switch refusal {
        case .namespaceNotFound(let name):
            self = .notFound("There is no namespace \(name).")
        case .namespaceExists(let name):
            self = .conflict("already-exists", "There is a namespace \(name) already.")
        case .namespacesExist(let there):
            let sorted = there.sorted { $0.key < $1.key }
            self = Problem.conflict(
                "already-exists",
                "\(there.count) of these namespaces exist already, such as \(sorted.first?.value.rawValue ?? ""); errors names them. Nothing was done."
            ).with(
                sorted.map {
                    Fault(
                        pointer: "/create/\($0.key)/name", code: "already-exists",
                        detail: "There is a namespace \($0.value) already.")
                })
        case .namespaceIsPermanent(let name):
            self = .conflict(
                "namespace-is-permanent",
                "The namespace \(name) always exists: it is neither renamed nor deleted. Flush it instead."
            )
        case .namespaceReadOnly(let name):
            self = .readOnly(name.rawValue)
        case .keyNotFound:
            self = .notFound("There is no such key.")
        case .checkFailed(let operation, let current):
            self = Problem.preconditionFailed(
                "The key is not in the state that was asked for. Nothing was done."
            ).with("operation", JSONValue(operation))
                .with("etag", .orNull(current?.etag))
        case .writeImpossible(let place, let obstacle):
            self = Problem.writeImpossible(obstacle).with("operation", JSONValue(place))
        case .quotaExceeded(let quota, let limit, let used):
            self = Problem.insufficientStorage(
                "quota-exceeded",
                "The namespace's \(quota) is \(limit), and \(used) is used. Delete something, or raise the quota."
            ).with("quota", .string(quota)).with("limit", JSONValue(limit))
                .with("used", JSONValue(used))
        case .tooLarge(let limit):
            self = .tooLarge(
                "The change would be larger than one entry can be: \(limit) bytes.",
                limitBytes: limit)
        case .tokenRevoked:
            self = .unauthorized("The token was revoked meanwhile. Nothing was done.")
        case .tokenRequired:
            self = .unauthorized("A token is needed by now. Nothing was done.")
        case .tokenNotFound:
            self = .notFound("There is no such token, or it has ended.")
        case .lastAdminToken:
            self = .conflict(
                "last-admin-token",
                "No other admin token that never expires, and is good from the same networks, could make tokens. Make one with the scope tokens:admin first, or rotate this one."
            )
        case .firstAdminTokenTooNarrow:
            self = .validationFailed([
                Fault(
                    pointer: "/scopes", code: "tokens-admin-missing",
                    detail: "The first admin token needs tokens:admin, or no other could be made.")
            ])
        case .tokenReplaced(let successor):
            self = .conflict(
                "token-replaced", "The token was replaced by \(successor) already. Rotate that one."
            )
        case .topologyChanged(let document):
            self = .topologyChanged(document, lineage)
        case .topologyInvalid(let faults):
            self.init(faults)
        case .nodeNotFound(let name):
            self = .notFound("There is no node \(name).")
        case .operationNotFound(let id):
            self = .notFound("There is no operation \(id).")
        case .limitReached(let what):
            self = .conflict("limit-reached", "No more \(what) can be made.")
        case .requestKeyReused:
            self = Problem(
                422, "idempotency-key-reused",
                "This Idempotency-Key came with another request before. Nothing was done; choose a new key."
            )
        case .storageFailed:
            self = .internalError("The state cannot be read. The node's log says why.")
        }
    }

    private static func writeImpossible(_ obstacle: WriteObstacle) -> Problem {
        switch obstacle {
        case .notANumber:
            Problem(
                422, "not-a-number",
                "The value is no whole number of 64 bits in decimal text, so nothing can be added to it. Nothing was done."
            )
        case .overflow:
            Problem(
                422, "number-overflow",
                "The sum is outside -9223372036854775808 to 9223372036854775807. Nothing was done.")
        case .valueTooLarge:
            .tooLarge(
                "The value would have more than \(StoredValue.bytesMax) bytes. Nothing was done.",
                limitBytes: StoredValue.bytesMax)
        }
    }

    private static func topologyChanged(
        _ document: TopologyDocument, _ lineage: Lineage?
    ) -> Problem {
        Problem.preconditionFailed(
            "The topology was changed meanwhile, by \(document.changedBy) at \(document.changedAt.rfc3339). Get it again."
        ).with("changed_by", .string(document.changedBy))
            .with("changed_at", .string(document.changedAt.rfc3339))
            .with("generation", JSONValue(document.generation.rawValue))
            .with("etag", .orNull(lineage.map { document.etag(in: $0) }))
    }

    /// Of faults of a topology: a stale word and a primary in the way are conflicts.
    init(_ faults: [TopologyFault]) {
        let all = faults.map {
            Fault(pointer: $0.pointer, code: $0.code.rawValue, detail: Sentence.of($0.detail))
        }
        func first(_ codes: TopologyFault.Code...) -> TopologyFault? {
            faults.first { codes.contains($0.code) }
        }
        if let fault = first(.nodeIsPrimary) {
            self = Problem.conflict("node-is-primary", Sentence.of(fault.detail)).with(all)
        } else if let fault = first(.staleGeneration, .staleTerm, .staleNumber, .staleChange) {
            self = Problem.conflict(fault.code.rawValue, Sentence.of(fault.detail)).with(all)
        } else if let fault = faults.first, fault.code == .unknownNode, fault.pointer.isEmpty {
            self = .notFound(Sentence.of(fault.detail))
        } else {
            self = .validationFailed(all)
        }
    }

    init(_ failure: ChangeFailure, lineage: Lineage? = nil) {
        switch failure {
        case .refused(let refusal):
            self.init(refusal, lineage: lineage)
        case .notPrimary(let primary):
            self = Problem(
                421, "not-primary",
                "The primary is \(primary.name), at \(primary.address.url): send it there. Nothing was done."
            ).with(
                "primary",
                ["name": .string(primary.name.rawValue), "address": .string(primary.address.url)])
        case .noPrimary:
            self = .noPrimary
        case .notReady:
            self = .notReady("This node has no state yet; a full sync brings it. Try again.")
        case .busy:
            self = .busy("Too much waits at this node already. Nothing was done; try again.")
        case .diskNearlyFull(let free, let reserve):
            self = Problem.insufficientStorage(
                "disk-nearly-full",
                "The disk has \(free) bytes left, and writes end at \(reserve). Delete something: deletes still work."
            ).with("free_bytes", JSONValue(free)).with("reserve_bytes", JSONValue(reserve))
        case .acksTimeout(let outcome, let obstacle):
            self = .acksTimeout(outcome, obstacle)
        case .isolated:
            self = Problem(
                503, "isolated",
                "No configured replica has been heard for 3 s, so another node may reign, and this one was started with --isolated-writes refuse. Nothing was done. Start a replica, or remove those that are gone."
            ).with(header: "Retry-After", "1")
        }
    }

    private static func acksTimeout(
        _ outcome: AckOutcome, _ obstacle: UnheardChanges.Obstacle?
    ) -> Problem {
        var detail = "Entry \(outcome.index) is in the primary's log. "
        if let obstacle {
            let names = obstacle.nodes.map(\.name.rawValue).joined(separator: ", ")
            detail +=
                "It is not answered before the change to generation \(obstacle.generation) of the topology has reached enough of \(names), for a node that has not heard of it could still be promoted by the topology before. Wait for them, or remove them."
        } else {
            detail +=
                "Of the \(outcome.wanted) acknowledgements wanted for it, \(outcome.reached) came in time."
        }
        let problem = Problem(504, "acks-timeout", detail)
            .with("index", JSONValue(outcome.index.rawValue))
            .with("reached", JSONValue(outcome.reached))
            .with("wanted", JSONValue(outcome.wanted))
        guard let obstacle else { return problem }
        let nodes = obstacle.nodes.map { JSONValue.string($0.name.rawValue) }
        return problem.with(
            "unheard",
            [
                "generation": JSONValue(obstacle.generation.rawValue), "nodes": .array(nodes),
            ])
    }

    init(_ failure: MemberFailure, lineage: Lineage? = nil) {
        switch failure {
        case .addressNotAllowed(let detail):
            self = .validationFailed([
                Fault(pointer: "/address", code: "address-not-allowed", detail: detail)
            ])
        case .unreachable(let detail):
            self = .nodeUnreachable(
                "The node was not reached: \(Sentence.of(detail)) Nothing was done."
            )
        case .notEmpty(let name):
            self = .conflict(
                "node-not-empty",
                "The node \(name) holds data of its own. With discard_data true it is taken in, and that data is set aside."
            )
        case .nameMismatch(let found):
            self = .nameMismatch("The node at that address says its name is \(found).")
        case .exists(let name):
            self = .conflict("already-exists", "There is a node \(name) already.")
        case .change(let failure):
            self.init(failure, lineage: lineage)
        }
    }

    init(_ refusal: AdoptionRefusal) {
        switch refusal {
        case .holdsUserData(let keys, let namespaces):
            self = .conflict(
                "node-not-empty",
                "This node holds \(keys) keys and \(namespaces) namespaces of its own. Allow it to discard them."
            )
        case .nameMismatch(let own):
            self = .nameMismatch("This node's name is \(own).")
        case .inUse(let detail):
            self = .conflict("node-in-use", Sentence.of(detail))
        case .failed(let detail):
            self = .internalError("The node cannot be adopted: \(Sentence.of(detail))")
        }
    }

    init(_ refusal: PromiseRefusal) {
        switch refusal {
        case .contested(let reign):
            self = Problem.conflict(
                "reign-contested", "This node knows reign \(reign) already, which is not below it."
            ).with("reign", .string("\(reign)"))
        case .notMember:
            self = .conflict(
                "not-in-topology",
                "The node that asks has no role in the topology that this node knows.")
        case .failed(let detail):
            self = .internalError("The promise cannot be kept: \(Sentence.of(detail))")
        }
    }

    init(_ refusal: FailoverRefusal) {
        self = .forbidden(by: refusal.vetoes, "This node must not become primary now; see vetoes.")
    }

    /// One rule that stands for itself is told by its own code, any others as `vetoed`.
    private static func forbidden(
        by vetoes: [ChangePlan.Finding], _ summary: String
    ) -> Problem {
        let speaking = ["is-primary", "not-member", "failover-running", "data-loss-possible"]
        let problem: Problem
        if vetoes.count == 1, let only = vetoes.first, speaking.contains(only.code.rawValue) {
            problem = .conflict(
                only.code.rawValue,
                "\(Sentence.of(only.detail)) What to do: \(Sentence.of(only.remedy)) Nothing was done."
            )
        } else {
            problem = .conflict("vetoed", "\(summary) Nothing was done.")
        }
        return problem.with("vetoes", .array(vetoes.map(\.json)))
    }

    init(_ refusal: SwitchoverRefusal) {
        switch refusal {
        case .change:
            // Resources answer this one with what only a call knows.
            self = .internalError("The switchover could not be begun.")
        case .notFrom(let primary):
            self = Problem.conflict(
                "not-the-primary",
                "The primary is \(primary), not the node named in from. Nothing was done."
            ).with("primary", .string(primary.rawValue))
        case .unknownNode(let name):
            self = .validationFailed([
                Fault(
                    pointer: "/to", code: TopologyFault.Code.unknownNode.rawValue,
                    detail: "There is no node \(name).")
            ])
        case .alreadyPrimary(let name):
            self = .conflict("is-primary", "\(name) is the primary already. Nothing was done.")
        case .vetoed(let name, let vetoes):
            self = .forbidden(by: vetoes, "\(name) must not take over now; see vetoes.")
        case .noCandidate(let vetoes):
            self = Problem.conflict(
                "no-candidate",
                "No replica streams and is up to date, so none can take over; see vetoes. Nothing was done."
            ).with("vetoes", .array(vetoes.map(\.json)))
        case .busy:
            self = .conflict(
                "switchover-running", "A switchover runs already; see /v1/operations.")
        }
    }

    init(_ refusal: ClaimRefusal) {
        switch refusal {
        case .isPrimary:
            self = .conflict("is-primary", "This node is the primary: it follows nobody.")
        case .notMember:
            self = .conflict("not-member", "This node is no replica of a cluster.")
        case .unknownNode(let name):
            self = .validationFailed([
                Fault(
                    pointer: "/upstream", code: TopologyFault.Code.unknownNode.rawValue,
                    detail: "There is no other node \(name).")
            ])
        case .ownFollower(let name):
            self = .validationFailed([
                Fault(
                    pointer: "/upstream", code: TopologyFault.Code.cycle.rawValue,
                    detail: "\(name) follows this node, so this node cannot follow it.")
            ])
        case .failed(let detail):
            self = .internalError("The claim cannot be kept: \(Sentence.of(detail))")
        }
    }

    init(_ refusal: FeedRefusal) {
        self.init(refusal.status, refusal.code, Sentence.of(refusal.detail))
        members = refusal.members.map { ($0.name, $0.value) }
    }

    init(_ error: EngineError) {
        switch error {
        case .io, .database, .log, .damaged, .notNext, .empty, .locked:
            // What it says is for the node's log: it names paths.
            self = .internalError("The state cannot be read. The node's log says why.")
        }
    }

    init(_ error: JSONError) {
        switch error.reason {
        case .malformed, .duplicateName, .numberOutOfRange:
            self = .malformedJSON("The body is not JSON that can be read: \(error).")
        case .limitExceeded:
            self = Problem(413, "too-large", "The document has too many parts: \(error).")
        }
    }
}

/// The modules below say what is wrong in a fragment; an answer is a sentence.
enum Sentence {
    /// Not capitalized: it may begin with the name of a node.
    static func of(_ fragment: String) -> String {
        guard let last = fragment.last else { return "No reason is known." }
        return last == "." ? fragment : fragment + "."
    }
}

extension TopologyDocument {
    /// The strong ETag, with its quotes.
    func etag(in lineage: Lineage) -> String { "\"\(fingerprint(in: lineage).hex)\"" }
}
