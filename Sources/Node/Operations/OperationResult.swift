import Engine
import JSON
import Platform
import Topology

/// What the records of operations say in their `result`, as JSON objects. Pure.
enum OperationResult {
    /// Nil: it is none, or cannot be read.
    static func parse(_ text: String?) -> JSONValue? {
        guard let text, let json = try? JSONValue(parsing: Array(text.utf8)),  // Unreadable: none.
            json.objectValue != nil
        else { return nil }
        return json
    }

    static func text(_ members: JSONValue) -> String {
        String(decoding: members.serialized(), as: UTF8.self)
    }

    /// The same with the steps as the node has seen them that ran the operation, so that every node
    /// shows them for as long as it is kept.
    static func text(_ text: String?, with steps: [OperationView.Step]) -> String {
        var members = parse(text)?.objectValue ?? JSONObject()
        members[course] = .array(steps.map(\.json))
        return self.text(.object(members))
    }

    /// The steps that ``text(_:with:)`` has written; nil when there are none.
    static func steps(_ json: JSONValue?) -> [OperationView.Step]? {
        guard let list = json?[course]?.arrayValue else { return nil }
        let steps = list.compactMap(OperationView.Step.init(json:))
        return steps.count == list.count ? steps : nil
    }

    /// All but the steps; nil when that is nothing.
    static func shown(_ json: JSONValue?) -> JSONValue? {
        guard var members = json?.objectValue else { return nil }
        members[course] = nil
        return members.isEmpty ? nil : .object(members)
    }

    private static let course = "course"

    /// How far an operation came that did not succeed, and each rule that forbade it.
    static func ended(at step: String?, vetoes: [ChangePlan.Finding] = []) -> String? {
        var members = JSONObject()
        if let step { members["step"] = .string(step) }
        if !vetoes.isEmpty { members["vetoes"] = .array(vetoes.map(\.json)) }
        return members.isEmpty ? nil : text(.object(members))
    }
}

/// For how long writes stood while the primary moved. The two nodes measure a part each, by clocks
/// that never jump; the way of the handover entry from one to the other is in neither.
struct SwitchoverResult: Equatable, Sendable {
    var from: String
    var to: String
    /// From the hold to the handover entry, by the old primary.
    var heldMilliseconds: Double
    /// From that entry's arrival to the right to append, by the new one; nil until then.
    var takeOverMilliseconds: Double?

    var pauseMilliseconds: Double? {
        takeOverMilliseconds.map { SwitchoverResult.rounded(heldMilliseconds + $0) }
    }

    init(from: String, to: String, held: Duration) {
        self.from = from
        self.to = to
        heldMilliseconds = SwitchoverResult.milliseconds(held)
    }

    /// Nil: the handover was not appended.
    init?(text: String?) {
        guard let json = OperationResult.parse(text), let from = json["from"]?.stringValue,
            let to = json["to"]?.stringValue, let held = json["held_ms"]?.numberValue
        else { return nil }
        self.from = from
        self.to = to
        heldMilliseconds = held
        takeOverMilliseconds = json["take_over_ms"]?.numberValue
    }

    var text: String {
        OperationResult.text([
            "from": .string(from), "to": .string(to), "held_ms": .number(heldMilliseconds),
            "take_over_ms": .orNull(takeOverMilliseconds), "pause_ms": .orNull(pauseMilliseconds),
        ])
    }

    static func milliseconds(_ duration: Duration) -> Double {
        rounded(duration.inSeconds * 1_000)
    }

    /// To a hundredth.
    private static func rounded(_ milliseconds: Double) -> Double {
        (milliseconds * 100).rounded() / 100
    }
}
