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
        let prefix = call.head.queryBytes("prefix") ?? []
        // That there is such a namespace, here, so that a stranger's request costs nothing.
        _ = try call.namespace(try call.engine().state.catalog)
        // A walk over what has expired or was deleted takes as long as it takes.
        return try call.later(on: call.api.reading) { () throws(Problem) -> Route.Outcome in
            let view = try call.namespaceView()
            let found: KeyPage
            do throws(EngineError) {
                found = try view.keys(
                    prefix: prefix, after: page.after, KeyPage.Limits(countMax: page.size))
            } catch {
                throw Problem(error)
            }
            let next = found.next.map { PageToken(.keys, after: $0) }
            return .response(
                .json(
                    Page.json(found.items.map(\.json), next: next),
                    headers: [(Headers.index, "\(view.position.index)")]))
        }
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
