import HTTPServer
import JSON
import Node
import Platform

/// What has happened here: as a list, or as it happens.
enum EventResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/events", .clusterRead, query: ["kind", "page_size", "page_token"], get)
    ]

    private static let placeHeader = "Last-Event-ID"
    private static let streamType = "text/event-stream"

    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        // A page of another site can open a stream, though it is a GET.
        let refusal = OriginRule.refusal(
            method: .post, origin: call.head.header("Origin"),
            site: call.head.header("Sec-Fetch-Site"), host: call.head.host,
            isSecure: call.head.secure)
        if let refusal { throw refusal }
        let kind = try call.query.text("kind").map { text throws(Problem) in
            guard let kind = Event.Kind(rawValue: text) else {
                let known = Event.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalidArgument("kind must be one of \(known).")
            }
            return kind
        }
        let place = try lastEvent(call)
        return .response(
            wantsStream(call.head)
                ? try stream(call, after: place, kind) : try list(call, after: place, kind))
    }

    /// Of the last event that the client knows, as it says.
    private static func lastEvent(_ call: Call) throws(Problem) -> EventID? {
        guard let text = call.head.header(placeHeader) else { return nil }
        guard let id = EventID(text) else {
            throw .invalidArgument("\(placeHeader) must be the id of an event.")
        }
        return id
    }

    /// Whether `Accept` names event streams, with any weight but zero.
    static func wantsStream(_ head: RequestHead) -> Bool {
        head.headers(named: "Accept").contains { accepts(streamType, $0) }
    }

    static func accepts(_ type: String, _ field: String) -> Bool {
        field.lowercased().split(separator: ",").contains { range in
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            return parts.first == type
                && !parts.dropFirst().contains {
                    ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0)
                }
        }
    }

    // MARK: - As it happens

    private static func stream(
        _ call: Call, after place: EventID?, _ kind: Event.Kind?
    ) throws(Problem) -> Response {
        for name in ["page_size", "page_token"] where call.query.text(name) != nil {
            throw .invalidArgument("\(name) is for lists: a stream has no pages.")
        }
        let hub = call.node.events
        let place = place ?? hub.last
        switch hub.read(after: place, kind: kind, countMax: 0) {
        case .gone: throw .eventsGone
        case .ended: throw .stopping
        case .batch: break
        }
        var response = Response(
            status: 200,
            headers: [
                ("Content-Type", streamType), ("Cache-Control", "no-store"),
                ("X-Accel-Buffering", "no"),
            ])
        if call.head.method == .head { return response }
        guard
            let stream = call.api.streams.begin(hub, after: place, kind: kind)
        else {
            throw .tooManyRequests(
                "\(EventStreams.streamsMax) event streams are open at this node already. Close one, or ask for the list."
            )
        }
        // A token that is revoked ends what was begun with it.
        call.api.streams.keep(call.watchAdmission { _ in stream.end() }, of: stream)
        response.body = .stream(stream)
        return response
    }

    // MARK: - As a list

    private static func list(
        _ call: Call, after place: EventID?, _ kind: Event.Kind?
    ) throws(Problem) -> Response {
        let page = try PageRequest(call.query, of: .events)
        let start = try page.after.map { bytes throws(Problem) in
            guard let id = EventID(String(decoding: bytes, as: UTF8.self)) else {
                throw .invalidArgument("page_token is not one of this list.")
            }
            return id
        }
        switch call.node.events.read(after: start ?? place, kind: kind, countMax: page.size) {
        case .gone:
            throw .eventsGone
        case .ended:
            return .json(Page.json([], next: nil))
        case .batch(let batch):
            let next = batch.hasMore ? PageToken(.events, after: Array("\(batch.place)".utf8)) : nil
            return .json(Page.json(batch.events.map(\.json), next: next))
        }
    }
}
