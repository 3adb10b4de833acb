import JSON
import Log
import Node

/// How far an import has come.
struct ImportReport: Sendable {
    var created = 0
    var replaced = 0
    /// Keys that were there, and stay.
    var skipped = 0
    /// Lines whose time was over.
    var expired = 0
    var refused = 0
    /// The first of what was refused.
    var refusals: [Refusal] = []
    /// The first line that nothing was decided about; nil once all is.
    var nextLine: Int? = 1
    /// Lines that are in the log, and not acknowledged by as many replicas as they must be.
    var unacknowledged: ClosedRange<Int>?
    /// Of the last entry.
    var position: Position?
    var bytesRead = 0
    /// Of an export: whether its end came, and all of it before. Nil of other lines.
    var isComplete: Bool?

    struct Refusal: Sendable {
        var line: Int
        var code: String
        var detail: String
    }

    /// More are counted, not told.
    static let refusalsMax = 100

    mutating func refuse(_ line: Int, _ code: String, _ detail: String) {
        refused += 1
        guard refusals.count < ImportReport.refusalsMax else { return }
        refusals.append(Refusal(line: line, code: code, detail: detail))
    }

    var imported: Int { created + replaced }

    var members: JSONObject {
        [
            "created": JSONValue(created), "replaced": JSONValue(replaced),
            "skipped": JSONValue(skipped), "expired": JSONValue(expired),
            "refused": JSONValue(refused),
            "refusals": .array(
                refusals.map {
                    [
                        "line": JSONValue($0.line), "code": .string($0.code),
                        "detail": .string($0.detail),
                    ]
                }), "next_line": .orNull(nextLine), "complete": .orNull(isComplete),
            "unacknowledged": unacknowledged.map {
                ["from": JSONValue($0.lowerBound), "to": JSONValue($0.upperBound)]
            } ?? .null, "bytes": JSONValue(bytesRead), "position": .orNull(position?.json),
        ]
    }
}
