import HTTPServer
import Testing

@testable import ManagementAPI

@Suite struct StartingHandlerTests {
    @Test func `before the state is open the process says that it lives, and nothing else`() throws
    {
        let handler = StartingHandler().handler
        let live = try Heads.head(.get, "/livez")
        guard case .collect = handler.admit(live) else { return failed("/livez is refused") }
        for path in ["/readyz", "/v1/nodes/self", "/livez/"] {
            guard case .reject(let answer) = handler.admit(try Heads.head(.get, path)) else {
                return failed("\(path) is not refused")
            }
            #expect(answer.status == 503)
            #expect(answer.headers.contains { $0.name == "Retry-After" })
        }
        guard case .reject = handler.admit(try Heads.head(.post, "/livez")) else {
            return failed("POST /livez is not refused")
        }
    }
}
