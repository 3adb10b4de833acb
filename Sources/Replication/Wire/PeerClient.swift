public import HTTPClient
public import JSON
import Platform
public import Topology

/// Signs requests to peers and checks their answers; made by the node out of the cluster secret.
public struct PeerSigning: Sendable {
    /// What a signature adds to a request: from method, path with query, who asks, and body.
    public var sign:
        @Sendable (_ method: String, _ path: String, _ identity: String, _ body: [UInt8]) -> [(
            String, String
        )]
    /// Whether an answer is of a peer with the secret, and to that very request.
    public var verifies: @Sendable (PeerAnswer) -> Bool

    public init(
        sign:
            @escaping @Sendable (
                _ method: String, _ path: String, _ identity: String, _ body: [UInt8]
            ) -> [(String, String)],
        verifies: @escaping @Sendable (PeerAnswer) -> Bool
    ) {
        self.sign = sign
        self.verifies = verifies
    }

    /// No secret: for a node that speaks over loopback only.
    public static let none = PeerSigning(sign: { _, _, _, _ in [] }, verifies: { _ in true })
}

/// What a signature of an answer is checked against.
public struct PeerAnswer: Sendable {
    /// All headers that the request went out with, the signature's among them.
    public var requestHeaders: [(String, String)]
    public var head: ResponseHead
    /// Nil for a stream or a file: its signature covers the head alone. The chain hash and the
    /// manifest's hashes cover what follows.
    public var body: [UInt8]?
}

/// Why a peer gave no answer that can be used. One case for each thing a caller can do about it.
public enum PeerError: Error, Equatable, Sendable {
    /// Nobody there, or the connection broke. Retry later.
    case unreachable(String)
    /// It answered with a problem.
    case refused(PeerProblem)
    /// It answered something that is no answer of ours, or with a wrong signature.
    case badAnswer(String)
    /// ``PeerClient/cancel()`` was called.
    case cancelled
    /// The deadline of that phase passed.
    case timedOut(FetchError.Phase)

    init(_ error: FetchError) {
        self =
            switch error {
            case .timedOut(let phase): .timedOut(phase)
            case .cancelled: .cancelled
            case .answerTooLarge(let limit): .badAnswer("an answer of more than \(limit) bytes")
            case .invalidURL(let text), .invalidRequest(let text): .badAnswer(text)
            case .connectFailed(let text), .tls(let text), .broken(let text): .unreachable(text)
            }
    }
}

/// Which links a node makes, and whose certificates it believes.
public struct LinkRules: Sendable {
    public var trust: TLSTrust
    /// Why no link is made to an address; nil when it may.
    public var refusal: @Sendable (NodeAddress) -> String?

    public init(trust: TLSTrust, refusal: @escaping @Sendable (NodeAddress) -> String?) {
        self.trust = trust
        self.refusal = refusal
    }

    /// Links to anywhere.
    public static let any = LinkRules(trust: .system, refusal: { _ in nil })
}

/// One peer over HTTP, on one connection: identity and signature on every request, deadlines by
/// phase, problems read.
///
/// Calls block, and come from one thread at a time; ``cancel()`` comes from any.
public final class PeerClient: Sendable {
    let address: NodeAddress
    private let identity: @Sendable () -> PeerIdentity
    private let signing: PeerSigning
    private let rules: LinkRules
    private let fetcher = HTTPFetcher(userAgent: "convoy")

    /// Of a JSON answer: a manifest of 100,000 files fits.
    static let answerBytesMax = 32 << 20

    public init(
        address: NodeAddress, identity: @escaping @Sendable () -> PeerIdentity,
        signing: PeerSigning, rules: LinkRules = .any
    ) {
        self.address = address
        self.identity = identity
        self.signing = signing
        self.rules = rules
    }

    /// Ends the running call within 50 ms, and every later one at its start.
    public func cancel() { fetcher.cancel() }

    /// Takes back ``cancel()``.
    func reset() { fetcher.reset() }

    /// How fast bodies may arrive, at once.
    func setRate(bytesPerSecond: UInt64?) { fetcher.setRate(bytesPerSecond: bytesPerSecond) }

    /// Whether that limit keeps the running call from reading now.
    var isHeldBack: Bool { fetcher.isHeldBack }

    /// Asks for a JSON document; an empty answer is `null`. Blocks. `path` comes with the query,
    /// percent-encoded.
    public func call(
        _ method: String, _ path: String, body: JSONValue? = nil,
        deadlines: FetchDeadlines = FetchDeadlines(total: .seconds(10))
    ) throws(PeerError) -> JSONValue {
        try exchange(method, path, body: body, deadlines: deadlines).document
    }

    /// As ``call(_:_:body:deadlines:)``, with who answered.
    public func exchange(
        _ method: String, _ path: String, body: JSONValue? = nil,
        deadlines: FetchDeadlines = FetchDeadlines(total: .seconds(10))
    ) throws(PeerError) -> (peer: PeerIdentity?, document: JSONValue) {
        let request = try request(method, path, body: body?.serialized(), deadlines)
        let response: FetchResponse
        do throws(FetchError) {
            response = try fetcher.fetch(request)
        } catch { throw PeerError(error) }
        try check(response.head, response.body, of: request)
        let peer = PeerIdentity(header: response.header)
        guard !response.body.isEmpty else { return (peer, .null) }
        do throws(JSONError) {
            return (peer, try JSONValue(parsing: response.body))
        } catch { throw .badAnswer("the answer is not JSON: \(error)") }
    }

    /// Asks for a body of bytes, whole. Blocks.
    func bytes(
        _ path: String, bytesMax: Int,
        deadlines: FetchDeadlines = FetchDeadlines(total: .seconds(30))
    ) throws(PeerError) -> [UInt8] {
        var request = try request("GET", path, body: nil, deadlines)
        request.answerBytesMax = bytesMax
        let response: FetchResponse
        do throws(FetchError) {
            response = try fetcher.fetch(request)
        } catch { throw PeerError(error) }
        try check(response.head, response.body, of: request)
        return response.body
    }

    /// Asks for bytes, and hands them over as they come, once the head is known to be a success of
    /// one of `statuses`, and `onHead` has not refused it with a reason. `onBytes` ends the exchange with
    /// false; it then returns normally.
    func stream(
        _ path: String, headers: [(String, String)] = [], deadlines: FetchDeadlines,
        statuses: Set<Int> = [200], onHead: (ResponseHead) -> String?,
        onBytes: ([UInt8]) -> Bool
    ) throws(PeerError) {
        var request = try request("GET", path, body: nil, deadlines)
        request.headers += headers
        var refusal: String?
        let response: FetchResponse
        do throws(FetchError) {
            response = try fetcher.stream(
                request,
                onHead: { head in
                    guard statuses.contains(head.status) else { return .collect }
                    refusal = isGenuine(head, nil, of: request) ? onHead(head) : Self.badSignature
                    return refusal == nil ? .deliver : .stop
                },
                onBytes: onBytes)
        } catch { throw PeerError(error) }
        if let refusal { throw .badAnswer(refusal) }
        guard !statuses.contains(response.status) else { return }
        try check(response.head, response.body, of: request)
        throw .badAnswer("status \(response.status)")
    }

    private func request(
        _ method: String, _ path: String, body: [UInt8]?, _ deadlines: FetchDeadlines
    ) throws(PeerError) -> FetchRequest {
        if let refusal = rules.refusal(address) { throw .unreachable(refusal) }
        var headers = identity().headers
        if body != nil { headers.append(("Content-Type", "application/json")) }
        headers += signing.sign(method, path, PeerIdentity.signedText(headers), body ?? [])
        return FetchRequest(
            method: method, url: address.url + path, headers: headers, body: body,
            deadlines: deadlines, answerBytesMax: PeerClient.answerBytesMax,
            trust: rules.trust)
    }

    /// Refuses what is forged, or no success.
    private func check(
        _ head: ResponseHead, _ body: [UInt8], of request: FetchRequest
    ) throws(PeerError) {
        guard isGenuine(head, body, of: request) else {
            throw .badAnswer("\(Self.badSignature) (status \(head.status))")
        }
        guard (200..<300).contains(head.status) else {
            throw .refused(PeerProblem(status: head.status, bytes: body))
        }
    }

    private func isGenuine(_ head: ResponseHead, _ body: [UInt8]?, of request: FetchRequest) -> Bool
    {
        signing.verifies(
            PeerAnswer(requestHeaders: request.headers, head: head, body: body))
    }

    private static let badSignature = "the answer is not signed with this cluster's secret"
}
