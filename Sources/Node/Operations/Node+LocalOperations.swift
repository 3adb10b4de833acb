import Engine
import JSON
import Platform

/// Operations of this node that the log does not have: a failover until its reign is open, and the
/// ends of those that came to nothing. They are in `node.json`, so that whoever began one is told how
/// it ended also after a restart.
extension Node {
    /// Notes them, soon.
    func keepLocalOperations() {
        control.enqueue { [self] in writeLocalOperations() }
    }

    /// On the control loop: on disk when it returns.
    func writeLocalOperations() {
        let newest = tracker.localRecords.sorted { $0.createdAt < $1.createdAt }
            .suffix(NodeFacts.operationsMax)
        do {
            try state.factsFile.change { $0.operations = Array(newest) }
        } catch {
            log(.warning, "cannot note this node's operations", ["error": "\(error)"])
        }
    }

    /// Keeps the end of an operation that could not be appended.
    func keepLocal(_ record: OperationRecord) {
        tracker.keepLocal(record)
        keepLocalOperations()
    }

    /// What was under way when this node stopped has ended, unless the log knows more of it: then
    /// whoever is primary ends it.
    func endInterruptedOperations(_ records: [OperationRecord]) {
        guard !records.isEmpty else { return }
        let known = engine?.state.catalog.operations ?? [:]
        for var record in records where known[record.id] == nil {
            if record.state == .running {
                record.state = .failed
                record.finishedAt = .now()
                record.errorCode = "node-stopped"
                record.errorDetail =
                    "this node stopped before its reign was open; it did not become primary by this operation"
            }
            tracker.keepLocal(record)
        }
        writeLocalOperations()
    }
}

extension OperationRecord {
    /// In `node.json`.
    var fileJSON: JSONValue {
        [
            "id": .string(id), "type": .string(type), "state": JSONValue(state.rawValue),
            "subject": .string(subject), "created_at_ms": JSONValue(createdAt.rawValue),
            "finished_at_ms": .orNull(finishedAt?.rawValue), "created_by": .string(createdBy),
            "reason": .orNull(reason), "error_code": .orNull(errorCode),
            "error_detail": .orNull(errorDetail), "result": .orNull(result),
        ]
    }

    /// Nil: it is none.
    init?(fileJSON json: JSONValue) {
        guard let id = json["id"]?.stringValue, let type = json["type"]?.stringValue,
            let state = json["state"]?.integerValue.flatMap(UInt8.init(exactly:))
                .flatMap(State.init(rawValue:)),
            let subject = json["subject"]?.stringValue,
            let created = json["created_at_ms"]?.unsigned,
            let createdBy = json["created_by"]?.stringValue
        else { return nil }
        self.init(
            id: id, type: type, state: state, subject: subject,
            createdAt: UnixMilliseconds(rawValue: created),
            finishedAt: json["finished_at_ms"]?.unsigned.map(UnixMilliseconds.init(rawValue:)),
            createdBy: createdBy, reason: json["reason"]?.stringValue,
            errorCode: json["error_code"]?.stringValue,
            errorDetail: json["error_detail"]?.stringValue, result: json["result"]?.stringValue)
    }
}
