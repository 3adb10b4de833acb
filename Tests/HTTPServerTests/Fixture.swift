import HTTPServer
import Platform

/// A listener on a free port that stops when the test is over.
final class Fixture {
    let listener: HTTPListener

    init(
        tls: TLSIdentity? = nil, limits: ServerLimits = .init(),
        admit: @escaping @Sendable (RequestHead) -> BodyPolicy = { _ in .collect(bytesMax: 8 << 20)
        },
        handle: @escaping @Sendable (Request, Exchange) -> Void
    ) throws {
        listener = try HTTPListener(
            address: "127.0.0.1", port: 0, tls: tls, limits: limits,
            handler: RequestHandler(admit: admit, handle: handle, refusals: Self.refusals))
    }

    deinit { listener.stop(deadline: .now() + .seconds(1)) }

    func client(receiveBufferBytes: Int32? = nil) throws -> Client {
        try Client(port: listener.port, receiveBufferBytes: receiveBufferBytes)
    }

    private static let refusals = RequestHandler.Refusals(
        malformed: { detail, _ in Response(status: 400, text: detail) },
        tooLarge: { _, limit in Response(status: 413, text: "at most \(limit)") },
        busy: { _ in Response(status: 503, text: "busy") },
        stopping: { _ in Response(status: 503, text: "stopping") },
        unreadable: { _ in Response(status: 500, text: "unreadable") })
}

extension Response {
    init(status: Int, text: String) {
        self.init(status: status, body: .bytes(Array(text.utf8)))
    }
}

/// Makes `attempt` again as long as it fails and has taken two seconds: a client that pauses for so
/// long while it sends in vain is hung up on, and a machine that stalls makes clients pause.
func unlessStalled(_ attempt: () throws -> Bool) rethrows -> Bool {
    while true {
        let began = MonotonicTime.now()
        if try attempt() { return true }
        if MonotonicTime.now() - began < .seconds(2) { return false }
    }
}

/// What one thread hands to another, in order.
final class Mailbox<Item: Sendable>: Sendable {
    private let items = Monitor<[Item]>([])

    func put(_ item: Item) { items.update { $0.append(item) } }

    /// The oldest item, waiting for it; nil after a minute.
    func take() -> Item? {
        items.wait(until: .now() + .seconds(60)) { $0.isEmpty ? nil : $0.removeFirst() }
    }

    var isEmpty: Bool { items.withLock { $0.isEmpty } }
}
