import Access
import Engine
import HTTPServer
import JSON
import Platform

/// The page's login and logout.
enum SessionResource {
    static let routes: [Route] = [
        Route(.post, "/v1/session", .open, body: .json(bytesMax: 4 << 10), begin),
        Route(.delete, "/v1/session", .open, end),
    ]

    private static func begin(_ call: Call) throws(Problem) -> Route.Outcome {
        let faults = FaultList()
        let fields = Fields(try call.document(), allowing: ["token"], faults)
        let text = fields.text("token", isRequired: true)
        try faults.check()
        let token = try token(text ?? "", call)
        let key = call.api.sessions.begin(tokenID: token.lookupID)
        // An earlier one of this browser is of no use any more.
        call.api.sessions.end(call.head)
        return .response(
            .json(
                [
                    "id": .string(token.lookupID),
                    "scopes": .array(token.scopes.words.map { .string($0) }),
                    "expires_in_seconds": JSONValue(Int(Sessions.lifetime.components.seconds)),
                ], status: 201,
                headers: [
                    call.api.sessions.setCookie(key, isSecure: call.head.secure),
                    ("Cache-Control", "no-store"),
                ]))
    }

    /// A wrong token counts as it does in a header.
    private static func token(_ text: String, _ call: Call) throws(Problem) -> TokenRecord {
        let gate = call.api.gate()
        let token: TokenRecord
        do throws(Problem) {
            token = try gate.token(text: text, from: call.head.remoteAddress)
        } catch {
            throw error.status == 401 ? call.api.afterFailedLogin(from: call.head, error) : error
        }
        // The page shows the cluster: less is of no use to it.
        try gate.check(token, may: .clusterRead, in: nil)
        return token
    }

    private static func end(_ call: Call) throws(Problem) -> Route.Outcome {
        call.api.sessions.end(call.head)
        return .response(
            Response(
                status: 204,
                headers: [call.api.sessions.setCookie(nil, isSecure: call.head.secure)]))
    }
}
