import Engine
import HTTPServer
import JSON
import Log
import Node

/// Puts, deletes, increments, appends and checks in one entry, all or nothing. Checks are made before
/// the first write.
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
        let adds = change.writes.contains { if case .delete = $0 { false } else { true } }
        let areWrites = operations.map(\.isWrite)
        return try call.commit(
            change, needsSpace: adds, isLarge: operations.count > quickMax,
            refused: { refused($0, call, areWrites) }
        ) { committed in
            .json(
                [
                    "position": committed.position.json,
                    "results": .array(results(committed.answer, areWrites)),
                ], headers: [(Headers.index, "\(committed.position.index)")])
        }
    }

    /// A check that does not hold, and a write that cannot be made, are named by their place.
    private static func refused(
        _ failure: ChangeFailure, _ call: Call, _ areWrites: [Bool]
    ) -> Problem {
        switch failure {
        case .refused(.checkFailed(let place, let current)):
            let fault = Problem.Fault(
                pointer: "/operations/\(place)", code: "check-failed",
                detail: "This check does not hold.")
            return Problem(Refusal.checkFailed(operation: place, current: current)).with([fault])
        case .refused(.writeImpossible(let write, let obstacle)):
            let places = areWrites.indices.filter { areWrites[$0] }
            let place = places.indices.contains(write) ? places[write] : write
            let problem = Problem(Refusal.writeImpossible(at: place, obstacle))
            let fault = Problem.Fault(
                pointer: "/operations/\(place)", code: problem.code, detail: problem.detail)
            return problem.with([fault])
        default:
            return call.problem(failure)
        }
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
            case .incremented(let version, let value, let created):
                // As text, which is what the value is: JSON readers round large numbers.
                return [
                    "op": "incr", "etag": .string(version.etag), "value": .string("\(value)"),
                    "created": .bool(created),
                ]
            case .appended(let version, let bytes, let created):
                return [
                    "op": "append", "etag": .string(version.etag), "bytes": JSONValue(bytes),
                    "created": .bool(created),
                ]
            }
        }
    }
}
