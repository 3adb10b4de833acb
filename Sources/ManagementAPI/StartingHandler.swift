public import HTTPServer
import JSON
import Platform

/// Holds a listener's place until the node behind it has opened its state: the port is taken before
/// anything is written, and who asks early is told to come again. `/livez` is answered.
public final class StartingHandler: Sendable {
    private let opened = Monitor<RequestHandler?>(nil)

    public init() {}

    /// From now on requests go to `handler`.
    public func open(_ handler: RequestHandler) { opened.withLock { $0 = handler } }

    /// For the listener.
    public var handler: RequestHandler {
        RequestHandler(
            admit: { [self] head in
                if let current { return current.admit(head) }
                return StartingHandler.isLiveness(head)
                    ? .collect(bytesMax: 0) : .reject(StartingHandler.early(head))
            },
            handle: { [self] request, exchange in
                if let current { return current.handle(request, exchange) }
                exchange.respond(
                    StartingHandler.isLiveness(request.head)
                        ? .json(["status": "ok"]) : StartingHandler.early(request.head))
            },
            refusals: RequestHandler.Refusals(
                malformed: { [self] detail, id in
                    current?.refusals.malformed(detail, id)
                        ?? Problem.malformedRequest(detail).response(requestID: id)
                },
                tooLarge: { [self] head, limit in
                    current?.refusals.tooLarge(head, limit) ?? StartingHandler.early(head)
                },
                busy: { [self] in current?.refusals.busy($0) ?? StartingHandler.early($0) },
                stopping: { [self] in current?.refusals.stopping($0) ?? StartingHandler.early($0) },
                unreadable: { [self] in
                    current?.refusals.unreadable($0) ?? StartingHandler.early($0)
                }))
    }

    private var current: RequestHandler? { opened.withLock { $0 } }

    /// The process lives: who restarts it for its long silence would make it begin anew. Everything else
    /// needs the state, be it for the tokens alone.
    private static func isLiveness(_ head: RequestHead) -> Bool {
        (head.method == .get || head.method == .head) && head.rawPath == Array("/livez".utf8)
    }

    private static func early(_ head: RequestHead) -> Response {
        Problem.notReady("The node is starting: it opens its state. Try again.")
            .response(requestID: head.requestID)
    }
}
