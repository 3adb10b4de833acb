import Synchronization

/// What all connections of a listener share.
final class Listening: Sendable {
    let limits: ServerLimits
    let handler: RequestHandler
    let isTLS: Bool
    let connections: ConnectionTable
    let requestNumbers = RequestNumber.Source()
    let lingering = LingeringClose()

    private let stopping = Atomic(false)
    private let requestsOpenCount = Atomic(0)
    private let bodyBytesInFlight = Atomic(0)
    let answers: AnswerBudget

    init(limits: ServerLimits, handler: RequestHandler, isTLS: Bool) {
        self.limits = limits
        self.handler = handler
        self.isTLS = isTLS
        self.answers = AnswerBudget(bytesMax: limits.answerBytesInFlightMax)
        self.connections = ConnectionTable(perAddressMax: limits.connectionsPerAddressMax)
    }

    var isStopping: Bool { stopping.load(ordering: .sequentiallyConsistent) }

    func beginStopping() { stopping.store(true, ordering: .sequentiallyConsistent) }

    var requestsOpen: Int { requestsOpenCount.load(ordering: .relaxed) }

    func requestBegan() { requestsOpenCount.add(1, ordering: .relaxed) }

    func requestEnded() { requestsOpenCount.subtract(1, ordering: .relaxed) }

    /// Whether `count` more bytes would fit now; reserves nothing.
    func hasRoom(forBodyBytes count: UInt64) -> Bool {
        let inFlight = bodyBytesInFlight.load(ordering: .relaxed)
        return count <= UInt64(max(0, limits.bodyBytesInFlightMax - inFlight))
    }

    /// Reserves `count` bytes of bodies, or answers false and reserves nothing.
    func reserve(bodyBytes count: Int) -> Bool {
        let total = bodyBytesInFlight.add(count, ordering: .relaxed).newValue
        if total <= limits.bodyBytesInFlightMax { return true }
        release(bodyBytes: count)
        return false
    }

    func release(bodyBytes count: Int) {
        bodyBytesInFlight.subtract(count, ordering: .relaxed)
    }

    /// Has whoever waits on a suspended connection answer or end, so that it is resumed.
    func dismiss(_ waiter: ClientConnection.Waiter) {
        switch waiter {
        case .exchange(let exchange): exchange.respondStopping()
        case .stream(let stream): stream.abort()
        case .body(let body): body.breakOff()
        }
    }
}
