public import JSON
public import Topology

extension ChangePlan {
    /// As a dry run answers with it.
    public var json: JSONValue {
        [
            "steps": .array(
                steps.map {
                    [
                        "code": .string($0.code.rawValue), "node": .orNull($0.node?.rawValue),
                        "detail": .string($0.detail),
                    ]
                }),
            "risks": .array(risks.map(\.json)), "blockers": .array(blockers.map(\.json)),
        ]
    }
}

extension ChangePlan.Finding {
    /// As plans and refusals list it.
    public var json: JSONValue {
        [
            "code": .string(code.rawValue), "node": .orNull(node?.rawValue),
            "detail": .string(detail),
            "evidence": .array(
                evidence.map {
                    [
                        "name": .string($0.name), "value": .number($0.value),
                        "measured": .bool($0.isMeasured),
                    ]
                }),
            "remedy": .string(remedy),
        ]
    }
}
