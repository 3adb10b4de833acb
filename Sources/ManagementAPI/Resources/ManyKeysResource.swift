import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// Several keys of a namespace at one position, in one answer. A read: any node with a state has it.
enum ManyKeysResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/namespaces/{ns}/get", .namespaceRead, body: .json(bytesMax: bodyBytesMax),
            read)
    ]

    /// Keys in one request.
    static let countMax = 1_000
    /// Of all keys and values of one answer.
    static let answerBytesMax = 16 << 20
    private static let bodyBytesMax = 8 << 20
    /// More are not read on an HTTP thread.
    private static let quickMax = 16

    private static func read(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["keys"], faults)
        let list = fields.list("keys", count: 1...countMax, isRequired: true) ?? []
        var keys: [[UInt8]] = []
        for item in list {
            let member = Fields(
                item.value, at: item.pointer, allowing: ["key", "key_base64"], faults)
            if let key = try BatchOperation.key(member) { keys.append(key) }
        }
        try faults.check()
        guard keys.count > quickMax else { return .response(try answer(call, keys)) }
        return try call.later(on: call.api.reading) { [keys] () throws(Problem) -> Route.Outcome in
            .response(try answer(call, keys))
        }
    }

    private static func answer(_ call: Call, _ keys: [[UInt8]]) throws(Problem) -> Response {
        let view = try call.namespaceView()
        var values: [StoredValue?] = []
        var bytes = 0
        for (place, key) in keys.enumerated() {
            let value: StoredValue?
            do throws(EngineError) {
                value = try view.value(of: key)
            } catch {
                throw Problem(error)
            }
            bytes += key.count + (value?.bytes.count ?? 0)
            guard bytes <= answerBytesMax else { throw tooLarge(place) }
            values.append(value)
        }
        let items = zip(keys, values).map { item($0, $1) }
        return .json(
            ["items": .array(items), "position": view.position.json],
            headers: [(Headers.index, "\(view.position.index)")])
    }

    private static func tooLarge(_ place: Int) -> Problem {
        let detail =
            "The keys and values of one answer have at most \(answerBytesMax) bytes: ask for the keys from this one on in another request."
        return Problem.tooLarge(
            "The answer would have more than \(answerBytesMax) bytes of keys and values. Ask for fewer keys; errors names the first that is too much.",
            limitBytes: answerBytesMax
        ).with([Problem.Fault(pointer: "/keys/\(place)", code: "too-large", detail: detail)])
    }

    private static func item(_ key: [UInt8], _ value: StoredValue?) -> JSONValue {
        var document: JSONObject = [:]
        TransferText.put(key, into: &document, "key")
        guard let value else {
            document["absent"] = true
            return .object(document)
        }
        TransferText.put(value.bytes, into: &document, "value")
        document["etag"] = .string(value.version.etag)
        document["expires_at"] = .orNull(value.expiry?.rfc3339)
        return .object(document)
    }
}

extension Call {
    /// The namespace that the path names, as of one position. Blocks on the disk.
    func namespaceView() throws(Problem) -> NamespaceView {
        let engine = try engine()
        let id = try namespace(engine.state.catalog).record.id
        let view: NamespaceView?
        do throws(EngineError) {
            view = try engine.view(of: id)
        } catch {
            throw Problem(error)
        }
        // It went between the two looks.
        guard let view else { throw Problem(Refusal.namespaceNotFound(try namespaceName())) }
        return view
    }
}
