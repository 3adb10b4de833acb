import Engine
import HTTPServer
import JSON
import Node
import Platform

/// Changes that take time.
enum OperationResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/operations", .clusterRead, query: ["state", "page_size", "page_token"], list),
        Route(.get, "/v1/operations/{id}", .clusterRead, query: WaitRequest.parameters, get),
        // The primary runs what can be cancelled.
        Route(
            .post, "/v1/operations/{id}/cancel", .topologyWrite,
            effect: .changes(needsSpace: false), cancel),
    ]

    /// The newest first.
    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .operations)
        let wanted = try call.query.text("state").map { text throws(Problem) in
            guard let state = OperationRecord.State(word: text) else {
                throw .invalidArgument("state must be running, succeeded, failed or cancelled.")
            }
            return state
        }
        _ = try call.engine()
        var found = call.node.operations().filter { wanted.map($0.record.state.equals) ?? true }
        if let after = page.after {
            let place = found.firstIndex { Array($0.record.id.utf8) == after }
            // Forgotten meanwhile, or of another state by now: begin again.
            found = place.map { Array(found[($0 + 1)...]) } ?? found
        }
        let (items, next) = Page.cut(
            Array(found.prefix(page.size + 1)), size: page.size, .operations
        ) { Array($0.record.id.utf8) }
        return .response(.json(Page.json(items.map(\.json), next: next)))
    }

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let id = call.parameter("id")
        let object = { @Sendable (_: SyncReport?) in call.node.operation(id)?.json }
        if object(nil) == nil, isIdentifier(id) {
            return try call.askPeers(
                about: .operation(id), "/replication/operations/\(id)", admitted: "done",
                object: object
            ) { told in
                switch told["state"]?.stringValue {
                case "succeeded": .met
                case "failed", "cancelled": .failed
                default: .unmet
                }
            }
        }
        return try call.answer(.operation(id), admitted: "done", object)
    }

    /// Others are no operation's, whoever is asked.
    private static func isIdentifier(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    private static func cancel(_ call: Call) throws(Problem) -> Route.Outcome {
        let id = call.parameter("id")
        _ = try call.engine()
        switch call.node.cancel(id, by: call.credential) {
        case nil:
            throw .notFound("There is no operation \(id).")
        case .tooLate?:
            throw .conflict(
                "not-cancellable", "The operation has ended, or can be taken back no more.")
        case .impossible(let remedy)?:
            throw .conflict(
                "not-cancellable", "An operation of this type cannot be cancelled. \(remedy)")
        case .cancelling?:
            guard let view = call.node.operation(id) else { throw .notFound("It is gone.") }
            return .response(.json(view.json, status: 202))
        }
    }
}

extension OperationRecord.State {
    var word: String {
        switch self {
        case .running: "running"
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .cancelled: "cancelled"
        }
    }

    fileprivate init?(word: String) {
        let all: [OperationRecord.State] = [.running, .succeeded, .failed, .cancelled]
        guard let state = all.first(where: { $0.word == word }) else { return nil }
        self = state
    }

    fileprivate func equals(_ other: OperationRecord.State) -> Bool { self == other }
}

extension OperationView {
    var json: JSONValue {
        [
            "id": .string(record.id), "type": .string(record.type),
            "state": .string(record.state.word), "node": .string(record.subject),
            "node_local": .bool(isNodeLocal), "steps": .array(steps.map(\.shown)),
            "observed_at": .orNull(observedAt?.rfc3339),
            "progress": progress.map { progress in
                [
                    "done": JSONValue(progress.done), "total": .orNull(progress.total),
                    "unit": .string(progress.unit),
                ]
            } ?? .null,
            "reason": .orNull(record.reason), "created_by": .string(record.createdBy),
            "created_at": .string(record.createdAt.rfc3339),
            "finished_at": .orNull(record.finishedAt?.rfc3339),
            "cancellable": .bool(isCancellable), "result": resultJSON,
            "error": record.errorCode.map { code in
                var error: JSONObject = [
                    "code": .string(code), "detail": .string(Sentence.of(record.errorDetail ?? "")),
                ]
                if let vetoes { error["vetoes"] = vetoes }
                return .object(error)
            } ?? .null,
        ]
    }
}

extension OperationView {
    private var resultJSON: JSONValue {
        guard record.state == .succeeded else { return .null }
        var members: JSONObject = ["node": .string(record.subject)]
        for (name, value) in result?.objectValue?.members ?? [] { members[name] = value }
        return .object(members)
    }
}

extension OperationView.Step {
    fileprivate var shown: JSONValue {
        [
            "name": .string(name), "state": .string(state),
            "started_at": .orNull(startedAt?.rfc3339), "deadline_at": .orNull(deadlineAt?.rfc3339),
        ]
    }
}
