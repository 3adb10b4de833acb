import CMicroHTTPD
import Platform

/// One request, from its request line to the end of its answer.
///
/// Only touched from libmicrohttpd's callbacks for its connection, which never run at the same
/// time. libmicrohttpd takes an answer at two places only: at the first call, and then it closes the
/// connection; or at the last, after the body. Hence:
///
///     arrived ──admitted──▶ collecting ──body complete──▶ handled ──answer──▶ answered
///        ├──admitted as a stream──▶ streaming ──body complete──▶ handled           ▲
///        │                      │ too large, busy                                ▲
///        ├──refused, small──▶ draining ──body complete───────────────────────────┤
///        └──refused, large or expecting 100─────────(connection closes)──────────┘
final class Transaction {
    let listening: Listening
    let connection: ClientConnection
    private let rawTarget: [UInt8]
    private let number: RequestNumber
    private var stage = Stage.arrived
    private var body: [UInt8] = []
    private var bodyBytesReserved = 0
    private var answerReserved: (bytes: Int, owner: String)?
    private var stream: StreamHandle?
    /// Answered while the client may still be sending.
    private var endsEarly = false

    private enum Stage {
        case arrived
        case collecting(RequestHead, bytesMax: Int)
        case streaming(RequestHead, Exchange, BodyStream)
        case draining(Response, bytesLeft: UInt64)
        case handled(RequestHead, Exchange)
        case answered
    }

    init(listening: Listening, connection: ClientConnection, rawTarget: [UInt8]) {
        self.listening = listening
        self.connection = connection
        self.rawTarget = rawTarget
        self.number = listening.requestNumbers.take()
        listening.requestBegan()
    }

    private var refusals: RequestHandler.Refusals { listening.handler.refusals }

    var hasBegun: Bool {
        if case .arrived = stage { false } else { true }
    }

    /// The head is complete. Answers false when the connection must be closed.
    func begin(method: String, headers: HeaderTable, on mhd: MHDConnection) -> Bool {
        let framing: RequestFraming
        do throws(MalformedRequest) {
            framing = try RequestFraming(headers)
        } catch {
            return send(malformed(error), early: true, on: mhd)
        }
        let method = HTTPMethod(method)
        let target: RequestTarget
        do throws(MalformedRequest) {
            target = try RequestTarget(rawTarget, method: method)
        } catch {
            return error.breaksFraming
                ? send(malformed(error), early: true, on: mhd)
                : refuse(malformed(error), framing, on: mhd)
        }
        let head = RequestHead(
            method: method, target: target, headers: headers, framing: framing,
            client: connection.address, secure: listening.isTLS, requestNumber: number)
        return admit(head, framing, on: mhd)
    }

    private func malformed(_ error: MalformedRequest) -> Response {
        refusals.malformed(error.detail, number.hexadecimal)
    }

    private func admit(
        _ head: RequestHead, _ framing: RequestFraming, on mhd: MHDConnection
    ) -> Bool {
        guard !listening.isStopping else {
            return refuse(refusals.stopping(head), framing, on: mhd)
        }
        switch listening.handler.admit(head) {
        case .reject(let response):
            return refuse(response, framing, on: mhd)
        case .collect(let bytesMax):
            let declared = framing.contentLength ?? 0
            guard declared <= bytesMax else {
                return refuse(refusals.tooLarge(head, bytesMax), framing, on: mhd)
            }
            guard listening.hasRoom(forBodyBytes: declared) else {
                return refuse(refusals.busy(head), framing, on: mhd)
            }
            stage = .collecting(head, bytesMax: bytesMax)
            if framing.hasBody { expectBody() }
            return true
        case .stream:
            return stream(head, framing, on: mhd)
        }
    }

    /// Handles the request before its body.
    private func stream(
        _ head: RequestHead, _ framing: RequestFraming, on mhd: MHDConnection
    ) -> Bool {
        let exchange = Exchange(head: head, stopping: refusals.stopping)
        let body = BodyStream(
            connection: connection, droppedBytesMax: listening.limits.drainStreamedBytesMax)
        listening.handler.handle(Request(head: head, body: [], stream: body), exchange)
        if let response = exchange.takeAnswer() {
            body.breakOff()
            return refuse(response, framing, on: mhd)
        }
        stage = .streaming(head, exchange, body)
        connection.setWaiter(.body(body))
        if framing.hasBody { expectBody() }
        // A stop that began before the waiter was set has not seen it.
        if listening.isStopping { body.breakOff() }
        return true
    }

    private func refuse(
        _ response: Response, _ framing: RequestFraming, on mhd: MHDConnection
    ) -> Bool {
        let declared = framing.contentLength ?? 0
        if framing.hasBody,
            framing.expectsContinue || declared > listening.limits.drainBytesMax
        {
            return send(response, early: true, on: mhd)
        }
        stage = .draining(response, bytesLeft: listening.limits.drainChunkedBytesMax)
        if framing.hasBody { expectBody() }
        return true
    }

    private func expectBody() { connection.enter(.receivingBody(since: .now(), bytes: 0)) }

    /// More of the body. Answers false when the connection must be closed.
    func receive(_ bytes: UnsafeRawBufferPointer, on mhd: MHDConnection) -> Bool {
        connection.received(bytes: bytes.count)
        switch stage {
        case .collecting(let head, let bytesMax):
            guard bytes.count <= bytesMax - body.count else {
                return drain(then: refusals.tooLarge(head, bytesMax))
            }
            guard listening.reserve(bodyBytes: bytes.count) else {
                return drain(then: refusals.busy(head))
            }
            bodyBytesReserved += bytes.count
            if body.isEmpty { reserveCapacity(for: head, bytesMax: bytesMax) }
            body.append(contentsOf: bytes)
            return true
        case .streaming(_, _, let body):
            return body.take(bytes, on: mhd)
        case .draining(let response, let bytesLeft):
            guard UInt64(bytes.count) <= bytesLeft else { return false }
            stage = .draining(response, bytesLeft: bytesLeft - UInt64(bytes.count))
            return true
        case .arrived, .handled, .answered:
            return false
        }
    }

    /// At most 1 MiB on the word of the client alone.
    private func reserveCapacity(for head: RequestHead, bytesMax: Int) {
        body.reserveCapacity(min(Int(clamping: head.contentLength ?? 0), bytesMax, 1 << 20))
    }

    private func drain(then response: Response) -> Bool {
        body = []
        releaseBody()
        stage = .draining(response, bytesLeft: listening.limits.drainChunkedBytesMax)
        return true
    }

    /// The body is complete, or the connection was resumed. Answers false when it must be closed.
    func proceed(on mhd: MHDConnection) -> Bool {
        switch stage {
        case .collecting(let head, _):
            connection.enter(.answering)
            let exchange = Exchange(head: head, stopping: refusals.stopping)
            stage = .handled(head, exchange)
            let request = Request(head: head, body: body)
            body = []
            listening.handler.handle(request, exchange)
            if let response = exchange.takeAnswer() { return send(response, for: head, on: mhd) }
            return sendOrWait(for: exchange, of: head, on: mhd)
        case .streaming(let head, let exchange, let body):
            connection.setWaiter(nil)
            connection.enter(.answering)
            stage = .handled(head, exchange)
            body.complete()
            return sendOrWait(for: exchange, of: head, on: mhd)
        case .handled(let head, let exchange):
            connection.setWaiter(nil)
            if let response = exchange.takeAnswer() { return send(response, for: head, on: mhd) }
            return false
        case .draining(let response, _):
            connection.enter(.answering)
            return send(response, early: false, on: mhd)
        case .arrived, .answered:
            return false
        }
    }

    private func sendOrWait(
        for exchange: Exchange, of head: RequestHead, on mhd: MHDConnection
    ) -> Bool {
        connection.setWaiter(.exchange(exchange))
        if let response = exchange.takeAnswer(orSuspend: mhd) {
            connection.setWaiter(nil)
            return send(response, for: head, on: mhd)
        }
        // A stop that began before the waiter was set has not seen it.
        if listening.isStopping { exchange.respondStopping() }
        return true
    }

    private func send(_ response: Response, for head: RequestHead, on mhd: MHDConnection) -> Bool {
        guard reserve(for: response) else {
            response.discard()
            return send(refusals.busy(head), early: false, on: mhd)
        }
        if case .unreadableFile = queue(response, on: mhd) {
            return send(refusals.unreadable(head), early: false, on: mhd)
        }
        return isQueued
    }

    private func send(_ response: Response, early: Bool, on mhd: MHDConnection) -> Bool {
        connection.enter(.answering)
        endsEarly = early
        _ = queue(response, on: mhd)
        return isQueued
    }

    /// A client that does not read has its answer kept for it: not any number of large ones.
    private func reserve(for response: Response) -> Bool {
        guard let owner = response.owner, case .bytes(let bytes) = response.body,
            !response.isBodiless, bytes.count > Transaction.smallAnswerBytes
        else { return true }
        guard listening.answers.reserve(bytes.count, for: owner) else { return false }
        answerReserved = (bytes.count, owner)
        return true
    }

    /// Smaller ones do not count: connections are limited, too.
    private static let smallAnswerBytes = 16 << 10

    private var isQueued: Bool {
        if case .answered = stage { true } else { false }
    }

    private func queue(_ response: Response, on mhd: MHDConnection) -> ResponseWriter.Outcome {
        let outcome = ResponseWriter.queue(response, on: mhd, of: connection)
        if case .queued(let stream) = outcome {
            stage = .answered
            self.stream = stream
            guard let stream else { return outcome }
            // For as long as it flows: it may suspend at any time.
            connection.setWaiter(.stream(stream))
            if listening.isStopping { stream.abort() }
        }
        return outcome
    }

    /// The request is over, in whatever way.
    func finish() {
        switch stage {
        case .handled(_, let exchange): exchange.finish()
        case .streaming(_, let exchange, let body):
            body.breakOff()
            exchange.finish()
        case .draining(let response, _): response.discard()
        case .arrived, .collecting, .answered: break
        }
        connection.setWaiter(nil)
        stream?.finish()
        releaseBody()
        if let answer = answerReserved { listening.answers.release(answer.bytes, of: answer.owner) }
        answerReserved = nil
        if endsEarly { listening.lingering.adopt(connection) }
        connection.enter(.awaitingHeader(since: .now(), isFirst: false))
        listening.requestEnded()
    }

    private func releaseBody() {
        guard bodyBytesReserved > 0 else { return }
        listening.release(bodyBytes: bodyBytesReserved)
        bodyBytesReserved = 0
    }
}
