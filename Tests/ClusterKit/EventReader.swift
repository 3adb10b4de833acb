import HTTPClient
public import JSON
import Platform

/// Reads a node's event stream on a thread of its own, from when it is made until ``close()``.
public final class EventReader: Sendable {
    /// How a stream came to its end.
    public enum End: Equatable, Sendable {
        /// In order, by the server.
        case complete
        case broken(String)
    }

    private let fetcher = HTTPFetcher(userAgent: "convoy-tests")
    private let state = Monitor(State())

    fileprivate struct State {
        var status: Int?
        var text: [UInt8] = []
        var events: [JSONValue] = []
        var lastID: String?
        var beats = 0
        var resets = 0
        var end: End?
    }

    /// Blocks until the stream has begun.
    ///
    /// - Throws: When the node refuses it, or does not answer in time.
    public init(_ client: TestClient, kind: String? = nil, lastEventID: String? = nil) throws {
        var headers = [("Accept", "text/event-stream")]
        if let token = client.token { headers.append(("Authorization", "Bearer \(token)")) }
        if let lastEventID { headers.append(("Last-Event-ID", lastEventID)) }
        let request = FetchRequest(
            url: client.base + "/v1/events" + (kind.map { "?kind=\($0)" } ?? ""), headers: headers,
            deadlines: FetchDeadlines(connect: .seconds(15), idle: .seconds(30)))
        _ = WorkerThread(name: "events", stackBytes: 256 << 10) { [self] in read(request) }
        let status = state.wait(until: .now() + .seconds(30)) { state -> Int? in
            state.lastID != nil || state.end != nil ? state.status ?? 0 : nil
        }
        guard status == 200, lastID != nil else {
            close()
            throw ClusterFailure(
                "no event stream: \(status.map(String.init) ?? "no answer in time")")
        }
    }

    deinit { close() }

    private func read(_ request: FetchRequest) {
        let end: End
        do {
            let answer = try fetcher.stream(
                request,
                onHead: { [state] head in
                    state.update { $0.status = head.status }
                    return head.status == 200 ? .deliver : .stop
                },
                onBytes: { [self] in take($0) })
            end = answer.status == 200 ? .complete : .broken("status \(answer.status)")
        } catch {
            end = .broken("\(error)")
        }
        state.update { $0.end = end }
    }

    private func take(_ bytes: [UInt8]) -> Bool {
        state.update { state in
            state.text += bytes
            while let end = state.text.firstRange(of: Array("\n\n".utf8)) {
                let frame = String(decoding: state.text[..<end.lowerBound], as: UTF8.self)
                state.text.removeSubrange(..<end.upperBound)
                state.take(frame)
            }
        }
        return true
    }

    public func close() { fetcher.cancel() }

    public var events: [JSONValue] { state.withLock { $0.events } }
    public var beats: Int { state.withLock { $0.beats } }
    public var resets: Int { state.withLock { $0.resets } }
    /// Of the last event, or where the stream began.
    public var lastID: String? { state.withLock { $0.lastID } }

    /// The first `count` events of that sort, once they have come; those behind `after`, if given.
    public func take(
        _ count: Int, kind: String, _ what: String? = nil, after: JSONValue? = nil
    ) throws -> [JSONValue] {
        let found = state.wait(until: .now() + .seconds(40)) { state -> [JSONValue]? in
            var events = state.events[...]
            if let after, let place = events.firstIndex(of: after) {
                events = events[(place + 1)...]
            }
            let found = events.filter {
                $0["kind"]?.stringValue == kind && (what == nil || $0["what"]?.stringValue == what)
            }
            return found.count >= count ? Array(found.prefix(count)) : nil
        }
        guard let found else {
            throw ClusterFailure("no \(count) events \(kind) \(what ?? "") among \(events)")
        }
        return found
    }

    /// Blocks until the stream is over.
    public func end() throws -> End {
        guard let end = state.wait(until: .now() + .seconds(40), { $0.end }) else {
            throw ClusterFailure("the event stream does not end")
        }
        return end
    }
}

extension EventReader.State {
    fileprivate mutating func take(_ frame: String) {
        var isReset = false
        var data: String?
        for line in frame.split(separator: "\n") {
            if line.hasPrefix(":") { beats += 1 }
            if line.hasPrefix("id:") { lastID = String(line.dropFirst(3).drop { $0 == " " }) }
            if line == "event: reset" { isReset = true }
            if line.hasPrefix("data: ") { data = String(line.dropFirst("data: ".count)) }
        }
        if isReset {
            resets += 1
        } else if let data {
            // What is no JSON shows as an event that is missing.
            if let event = try? JSONValue(parsing: Array(data.utf8)) { events.append(event) }
        }
    }
}
