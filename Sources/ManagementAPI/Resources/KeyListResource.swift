import Engine
import HTTPServer
import JSON
import Log
import Platform

/// The keys of a namespace, in order of their bytes.
enum KeyListResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/namespaces/{ns}/keys", .namespaceRead,
            query: ["prefix", "page_size", "page_token"], list)
    ]

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let page = try PageRequest(call.query, of: .keys)
        let engine = try call.engine()
        let state = engine.state
        let namespace = try call.namespace(state.catalog)
        let found: [KeyListing]
        do throws(EngineError) {
            found = try engine.keys(
                in: namespace, prefix: call.head.queryBytes("prefix") ?? [], after: page.after,
                countMax: page.size + 1)
        } catch {
            throw Problem(error)
        }
        let (items, next) = Page.cut(found, size: page.size, .keys) { $0.key }
        return .response(
            .json(
                Page.json(items.map(\.json), next: next),
                headers: [(Headers.index, "\(state.position.index)")]))
    }
}

extension KeyListing {
    fileprivate var json: JSONValue {
        var document: JSONObject = [:]
        if let text = String(validating: key, as: UTF8.self) {
            document["key"] = .string(text)
        } else {
            document["key_base64"] = .string(Base64.encode(key))
        }
        document["bytes"] = JSONValue(head.bytes)
        document["expires_at"] = .orNull(head.expiry?.rfc3339)
        document["etag"] = .string(head.version.etag)
        return .object(document)
    }
}
