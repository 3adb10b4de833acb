import Access
import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// `Idempotency-Key`: a request that may be sent again.
///
/// A key belongs to the caller that has chosen it. PUT and DELETE do the same when they are sent again,
/// key or not, so it counts on POST and PATCH only.
extension Call {
    static let keyHeader = "Idempotency-Key"
    /// On an answer that was given before.
    static let replayedHeader = (name: "Idempotency-Replayed", value: "true")
    private static let keyBytesMax = 255

    /// Nil without a key.
    func requestKey() throws(Problem) -> RequestKey? {
        guard head.method == .post || head.method == .patch else { return nil }
        let fields = head.headers(named: Call.keyHeader)
        guard let text = fields.first else { return nil }
        guard fields.count == 1, (1...Call.keyBytesMax).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw .invalidArgument(
                "\(Call.keyHeader) must be there once, with 1 to \(Call.keyBytesMax) visible ASCII characters."
            )
        }
        let query = head.query.filter { $0.name != Route.redirect }
        return RequestKey(
            hash: RequestDigest(of: [caller.label, text].map { Array($0.utf8) }).bytes,
            fingerprint: RequestDigest(
                of: [Array(head.method.name.utf8), head.rawPath, request.body]
                    + query.flatMap { [Array($0.name.utf8), Array($0.value.utf8)] }
            ).bytes)
    }

    // MARK: - Answers that are kept

    /// Carries a change out once, whatever the number of requests with this key.
    func keep<C: Change>(
        _ change: C, by key: RequestKey, needsSpace: Bool, acks: AckDemand?,
        refused: @escaping @Sendable (ChangeFailure) -> Problem,
        _ answer: @escaping @Sendable (Committed<C.Answer>) -> Response
    ) {
        let keeping = KeepingAnswer(change, key: key) { inner, index in
            let response = answer(
                Committed(position: Position(index: index, hash: .zero), answer: inner))
            let kept = KeptResponse(response)
            return (kept: kept?.encoded ?? [], made: kept)
        }
        submit(keeping, needsSpace: needsSpace, acks: acks) { result in
            switch result {
            case .failure(let failure):
                respond(refused(failure))
            case .success(let committed):
                switch committed.answer {
                case .done(var kept?):
                    kept.place(hash: committed.position.hash.hex)
                    respond(kept.response)
                case .done(nil):
                    fatalError("the answer of \(route.template.text) is no JSON")
                case .again(let kept):
                    respond(kept, key)
                }
            }
        }
    }

    /// The same answer again.
    private func respond(_ answer: KeptAnswer, _ key: RequestKey) {
        let position = node.engine?.position(of: answer, key: key)
        guard var kept = KeptResponse(decoding: answer.bytes),
            !kept.namesPosition || position != nil
        else {
            return respond(
                Problem.conflict(
                    "answer-not-kept",
                    "This request was carried out before, by entry \(answer.index); its answer is too large to be kept."
                ).with("index", JSONValue(answer.index.rawValue)))
        }
        if let position { kept.place(hash: position.hash.hex) }
        kept.headers.append(Call.replayedHeader)
        respond(kept.response)
    }

    /// Carries a change of the topology out once. Its answer says how things stand, so when the request
    /// comes again it says how they stand by then.
    func changeOnce(
        _ change: ChangeTopology, by key: RequestKey,
        _ answer: @escaping @Sendable () -> Response
    ) {
        let keeping = KeepingAnswer(admitted(change), key: key) { _, _ in
            (kept: KeptResponse.mark, made: ())
        }
        node.submit(keeping, needsSpace: false) { result in
            switch result {
            case .failure(let failure):
                respond(problem(failure))
            case .success(let committed):
                node.topologyHasChanged()
                var response = answer()
                if case .again = committed.answer { response.headers.append(Call.replayedHeader) }
                respond(response)
            }
        }
    }

    // MARK: - Operations

    /// Has `begin` begin an operation with an id that is always the same for the same key, so that the
    /// log, which has the operation, knows that it was begun; if it was, answers with it as it is now.
    func beginOperation(
        _ begin: (_ id: String) throws(Problem) -> Route.Outcome
    ) throws(Problem) -> Route.Outcome {
        guard let key = try requestKey() else { return try begin(Node.newOperationID()) }
        let start = "op_" + Call.hexadecimal(key.hash) + "_"
        let id = start + Call.hexadecimal(key.fingerprint.prefix(8))
        if let known = node.operation(id) { return begunBefore(known) }
        let isReused = node.engine?.state.catalog.operations.keys.contains { $0.hasPrefix(start) }
        if isReused ?? false { throw Problem(Refusal.requestKeyReused) }
        return try begin(id)
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func begunBefore(_ operation: OperationView) -> Route.Outcome {
        .response(
            .json(
                operation.json, status: 202,
                headers: [
                    ("Location", "/v1/operations/\(operation.record.id)"), Call.replayedHeader,
                ]))
    }
}

/// An answer as it is kept: without secrets, and without the chain hash of its own entry.
struct KeptResponse {
    var status: Int
    var headers: [(name: String, value: String)]
    /// Nil of an answer without a body.
    var body: JSONValue?

    /// Of an answer that has a JSON body, or none.
    init?(_ response: Response) {
        switch response.body {
        case .none: break
        case .bytes(let bytes):
            guard let body = try? JSONValue(parsing: bytes) else { return nil }
            self.body = body
        case .file, .stream: return nil
        }
        status = response.status
        headers = response.headers
    }

    var encoded: [UInt8] {
        var kept: JSONObject = [
            "status": JSONValue(status),
            "headers": .array(headers.map { [.string($0.name), .string($0.value)] }),
        ]
        if let body { kept["body"] = KeptResponse.withoutSecrets(body) }
        return JSONValue.object(kept).serialized()
    }

    /// Only that there was an answer.
    static let mark = JSONValue.object(["status": 200, "headers": .array([])]).serialized()

    init?(decoding bytes: [UInt8]) {
        guard let json = try? JSONValue(parsing: bytes),
            let status = json["status"]?.integerValue
        else { return nil }
        self.status = Int(status)
        body = json["body"]
        headers = (json["headers"]?.arrayValue ?? []).compactMap { pair in
            guard let name = pair[0]?.stringValue, let value = pair[1]?.stringValue else {
                return nil
            }
            return (name: name, value: value)
        }
    }

    /// Tokens are shown once.
    static func withoutSecrets(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let object):
            var kept = JSONObject()
            for (name, member) in object.members {
                if name == tokenName, member.stringValue != nil {
                    kept[name] = .null
                    kept["token_shown"] = true
                } else {
                    kept[name] = withoutSecrets(member)
                }
            }
            return .object(kept)
        case .array(let elements):
            return .array(elements.map(withoutSecrets))
        case .null, .bool, .integer, .number, .string:
            return value
        }
    }

    private static let tokenName = "token"

    /// Whether the answer names the position of its own entry.
    var namesPosition: Bool { body?["position"]?["hash"] != nil }

    /// The same answer with the chain hash that its entry turned out to have.
    mutating func place(hash: String) {
        guard namesPosition, var object = body?.objectValue,
            var position = object["position"]?.objectValue
        else { return }
        position["hash"] = .string(hash)
        object["position"] = .object(position)
        body = .object(object)
    }

    var response: Response {
        Response(
            status: status, headers: headers, body: body.map { .bytes($0.serialized()) } ?? .none)
    }
}
