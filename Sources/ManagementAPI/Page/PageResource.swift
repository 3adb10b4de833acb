import HTTPServer

/// `/` and what the page loads.
enum PageResource {
    static let routes: [Route] = [
        Route(.get, "/", .open, index),
        Route(.get, "/page/{file}", .open, file),
    ]

    /// With the state for whoever may read it, so that it can be read without a script; else a form to log
    /// in, and no data.
    private static func index(_ call: Call) throws(Problem) -> Route.Outcome {
        .response(try call.api.page.answer(values(call)))
    }

    /// A session lets in, or that no token is needed yet. Tokens in a header are for the API: here a wrong
    /// one could be tried without being counted.
    private static func values(_ call: Call) -> [String: String] {
        guard call.head.header("Authorization") == nil else { return FirstView.closed }
        do throws(Problem) {
            _ = try call.api.gate().admit(call.head, to: .clusterRead, namespace: nil)
            return FirstView(of: call.node).values
        } catch {
            return error.status == 401 ? FirstView.closed : [:]
        }
    }

    private static func file(_ call: Call) throws(Problem) -> Route.Outcome {
        let known = try TagCondition.read(
            call.head.headers(named: "If-None-Match"), header: "If-None-Match")
        return .response(
            try call.api.page.answer(file: call.parameter("file"), ifNoneMatch: known))
    }
}
