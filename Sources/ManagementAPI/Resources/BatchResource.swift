import Engine
import HTTPServer
import JSON
import Log
import Node

/// Puts, deletes and checks in one entry, all or nothing. Checks are made before the first write.
enum BatchResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/namespaces/{ns}/batch", .namespaceWrite,
            body: .json(bytesMax: BatchResource.bytesMax), effect: .changes(needsSpace: false),
            apply)
    ]

    static let bytesMax = 64 << 20
    /// Answers to more operations are not built on the committer's thread.
    private static let quickMax = 256

    private static func apply(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(
            try call.document(valuesMax: 4_000_000), allowing: ["operations"], faults)
        let list = fields.list("operations", count: 1...BatchOperation.countMax, isRequired: true)
        var operations: [BatchOperation] = []
        for (place, item) in (list ?? []).enumerated() {
            let operation = try BatchOperation(item.value, at: item.pointer, place: place, faults)
            if let operation { operations.append(operation) }
        }
        try faults.check()
        let change = WriteKeys(
            namespace: try call.namespaceName(), checks: operations.compactMap(\.check),
            writes: operations.compactMap(\.write))
        let adds = change.writes.contains { if case .put = $0 { true } else { false } }
        let areWrites = operations.map(\.isWrite)
        return try call.commit(
            change, needsSpace: adds, isLarge: operations.count > quickMax,
            refused: { refused($0, call) }
        ) { committed in
            .json(
                [
                    "position": committed.position.json,
                    "results": .array(results(committed.answer, areWrites)),
                ], headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    /// A check that does not hold is named by its place.
    private static func refused(_ failure: ChangeFailure, _ call: Call) -> Problem {
        guard case .refused(.checkFailed(let place, let current)) = failure else {
            return call.problem(failure)
        }
        let fault = Problem.Fault(
            pointer: "/operations/\(place)", code: "check-failed",
            detail: "This check does not hold.")
        return Problem(Refusal.checkFailed(operation: place, current: current)).with([fault])
    }

    /// One for each operation, in the order asked for.
    private static func results(_ writes: [KeyWriteResult], _ areWrites: [Bool]) -> [JSONValue] {
        var next = writes.makeIterator()
        return areWrites.map { isWrite in
            guard isWrite, let result = next.next() else { return ["op": "check"] }
            switch result {
            case .created(let version):
                return ["op": "put", "etag": .string(version.etag), "created": true]
            case .replaced(let version):
                return ["op": "put", "etag": .string(version.etag), "created": false]
            case .deleted: return ["op": "delete", "deleted": true]
            case .absent: return ["op": "delete", "deleted": false]
            }
        }
    }
}
