import HTTPServer
import JSON

/// `/version` and `/openapi.json`.
enum InfoResource {
    static let routes: [Route] = [
        Route(.get, "/version", .open, isHealth: true, version),
        Route(.get, "/openapi.json", .open, document),
    ]

    private static func version(_ call: Call) throws(Problem) -> Route.Outcome {
        .response(.json(["version": .string(call.api.settings.version)]))
    }

    private static func document(_ call: Call) throws(Problem) -> Route.Outcome {
        .response(
            Response(
                status: 200, headers: [("Content-Type", "application/json")],
                body: .bytes(call.api.settings.openAPIDocument)))
    }
}
