import Engine
import HTTPServer
import JSON
import Log
import Platform

/// Who changed what of namespaces, tokens, topology and operations, when, from where and why.
enum AuditResource {
    static let routes: [Route] = [
        Route(.get, "/v1/audit", .clusterRead, query: ["page_size", "page_token"], list),
        Route(.get, "/v1/audit/verify", .clusterRead, verify),
    ]

    /// The newest first.
    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .audit)
        let engine = try call.engine()
        let before = try page.after.map { text throws(Problem) in
            guard let number = UInt64(String(decoding: text, as: UTF8.self)) else {
                throw .invalidArgument(
                    "page_token is not one of this list. Ask without it for the first page.")
            }
            return number
        }
        return try call.later(on: call.api.parsing) { () throws(Problem) -> Route.Outcome in
            let found: [AuditRecord]
            do throws(EngineError) {
                found = try engine.auditRecords(below: before, countMax: page.size + 1)
            } catch {
                throw Problem(error)
            }
            let (items, next) = Page.cut(found, size: page.size, .audit) {
                Array(String($0.number).utf8)
            }
            return .response(.json(Page.json(items.map(\.json), next: next)))
        }
    }

    private static func verify(_ call: Call) throws(Problem) -> Route.Outcome {
        let engine = try call.engine()
        // A hundred thousand records take a second.
        return try call.later(on: call.api.auditing) { () throws(Problem) -> Route.Outcome in
            let found: AuditVerification
            do throws(EngineError) {
                found = try engine.verifyAudit()
            } catch {
                throw Problem(error)
            }
            return .response(
                .json([
                    "intact": .bool(found.fault == nil), "first": JSONValue(found.first),
                    "last": JSONValue(found.last),
                    "compared_with_log": JSONValue(found.comparedWithLog),
                    "fault": .orNull(found.fault),
                ]))
        }
    }
}

extension AuditRecord {
    fileprivate var json: JSONValue {
        [
            "number": JSONValue(number), "index": JSONValue(index.rawValue),
            "when": .string(time.rfc3339), "who": .string(author.who),
            "from": .orNull(author.address), "what": .string(action),
            "why": .orNull(author.reason), "changes": .array(changes.map(\.json)),
            "changes_omitted": JSONValue(omitted),
        ]
    }
}

extension AuditChange {
    fileprivate var json: JSONValue {
        [
            "subject": .string(subject), "before": AuditChange.json(before),
            "after": AuditChange.json(after),
        ]
    }

    private static func json(_ fields: [AuditField]?) -> JSONValue {
        guard let fields else { return .null }
        var object = JSONObject()
        for field in fields { object[field.name] = field.value.json }
        return .object(object)
    }
}

extension AuditValue {
    fileprivate var json: JSONValue {
        switch self {
        case .none: .null
        case .text(let text): .string(text)
        case .number(let number): JSONValue(number)
        case .flag(let flag): .bool(flag)
        case .list(let items): .array(items.map { .string($0) })
        }
    }
}
