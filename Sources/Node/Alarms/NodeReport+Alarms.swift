import JSON
public import Platform

extension NodeReport {
    /// Something that is wrong with the node and that a person has to see to.
    public struct Alarm: Equatable, Sendable {
        /// As in ``AlarmCode``; of a newer node perhaps one that is not known here.
        public var code: String
        public var since: UnixMilliseconds
        public var detail: String
        /// What to do: a command, or a sentence.
        public var nextStep: String

        public init(code: String, since: UnixMilliseconds, detail: String, nextStep: String) {
            self.code = code
            self.since = since
            self.detail = detail
            self.nextStep = nextStep
        }
    }

    func hasAlarm(_ code: AlarmCode) -> Bool { alarms.contains { $0.code == code.rawValue } }
}

extension NodeReport.Alarm {
    var json: JSONValue {
        [
            "code": .string(code), "since": .string(since.rfc3339), "detail": .string(detail),
            "next_step": .string(nextStep),
        ]
    }

    /// As `GET /v1/sync` lists it, with the node that it is about.
    func json(of node: String) -> JSONValue {
        [
            "code": .string(code), "node": .string(node), "since": .string(since.rfc3339),
            "detail": .string(detail), "next_step": .string(nextStep),
        ]
    }

    init?(json: JSONValue) {
        guard let code = json["code"]?.stringValue, let since = json["since"]?.time,
            let detail = json["detail"]?.stringValue, let next = json["next_step"]?.stringValue
        else { return nil }
        self.init(code: code, since: since, detail: detail, nextStep: next)
    }
}
