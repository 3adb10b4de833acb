/// Brings what was received to the caller, in the way that the caller has chosen.
struct Delivery {
    private let answerBytesMax: Int
    private let bringsBody: Bool
    private var body: [UInt8] = []
    private var chosen: (head: ResponseHead, decision: StreamDecision)?

    init(_ request: FetchRequest) {
        self.answerBytesMax = request.answerBytesMax
        self.bringsBody = request.method != "HEAD"
    }

    /// The response so far; nil before the final head.
    var response: FetchResponse? {
        chosen.map { FetchResponse(head: $0.head, body: body) }
    }

    /// Whether the caller wants more.
    mutating func deliver(
        _ answer: RecordedAnswer, onHead: (ResponseHead) -> StreamDecision,
        onBytes: ([UInt8]) -> Bool
    ) throws(FetchError) -> Bool {
        if chosen == nil, let head = answer.head.final { chosen = (head, onHead(head)) }
        guard let chosen else { return true }

        switch chosen.decision {
        case .stop:
            return false
        case .deliver:
            return answer.drain(onBytes) ?? true
        case .collect:
            // Not worth beginning if it is announced as too long.
            if bringsBody, let length = chosen.head.contentLength, length > answerBytesMax {
                throw .answerTooLarge(limitBytes: answerBytesMax)
            }
            _ = answer.drain { body += $0 }
            if body.count > answerBytesMax { throw .answerTooLarge(limitBytes: answerBytesMax) }
            return true
        }
    }
}
