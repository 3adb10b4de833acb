import HTTPServer

/// `/` and what the page loads.
enum PageResource {
    static let routes: [Route] = [
        Route(.get, "/", .open, index),
        Route(.get, "/page/{file}", .open, file),
    ]

    /// With the state for whoever may read it, so that it can be read without a script; else empty.
    private static func index(_ call: Call) throws(Problem) -> Route.Outcome {
        guard mayRead(call) else { return .response(try call.api.page.answer([:])) }
        return .response(try call.api.page.answer(FirstView(of: call.node).values))
    }

    /// By a session, or because no token is needed yet. Tokens in a header are for the API: here a wrong
    /// one could be tried without being counted.
    private static func mayRead(_ call: Call) -> Bool {
        guard call.head.header("Authorization") == nil else { return false }
        return (try? call.api.gate().admit(call.head, to: .clusterRead, namespace: nil)) != nil
    }

    private static func file(_ call: Call) throws(Problem) -> Route.Outcome {
        let known = try TagCondition.read(
            call.head.headers(named: "If-None-Match"), header: "If-None-Match")
        return .response(
            try call.api.page.answer(file: call.parameter("file"), ifNoneMatch: known))
    }
}
