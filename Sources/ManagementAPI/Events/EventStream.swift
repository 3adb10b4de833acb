import HTTPServer
import Node
import Platform

/// One client's events, as the body of its answer: `text/event-stream`.
///
///     following ──place kept no more──▶ reset told ──▶ end
///         ├──the node stops, or end()──▶ end
///         └──takes nothing for ``patience`` though something is due──▶ broken off
///
/// There is no queue: the node's events are the queue, and a stream is a place in it. It holds at most
/// one chunk.
final class EventStream: ResponseStream {
    private let hub: EventHub
    private let kind: Event.Kind?
    private let onClose: @Sendable (EventStream) -> Void
    private let state: Monitor<State>

    /// A comment goes out when nothing else has for so long.
    static let beat: Duration = .seconds(5)
    static let patience: Duration = .seconds(30)
    /// What a client that takes nothing costs in memory.
    private static let unsentBytesMax = 128 << 10
    /// Events in one chunk.
    private static let chunkMax = 64
    /// What the client is told: try again after a second.
    private static let opening = "retry: 1000\n"

    private struct State {
        /// Of the last event that was taken.
        var place: EventID
        var chunk: [UInt8]
        var offset = 0
        var beatAt: MonotonicTime
        /// Since when something is due that the connection has not asked for.
        var owedSince: MonotonicTime?
        var isEnding = false
        var handle: StreamHandle?
    }

    /// - Parameters:
    ///   - hub: Where events come from.
    ///   - place: Of the last event that the client knows.
    ///   - kind: Nil for all events.
    ///   - now: The time.
    ///   - onClose: Called once, when the connection is gone.
    init(
        _ hub: EventHub, after place: EventID, kind: Event.Kind?,
        at now: MonotonicTime, onClose: @escaping @Sendable (EventStream) -> Void
    ) {
        self.hub = hub
        self.kind = kind
        self.onClose = onClose
        // An id without data: whoever breaks off before the first event goes on from here, too.
        let opening = EventStream.opening + "id: \(place)\n\n"
        state = Monitor(
            State(place: place, chunk: Array(opening.utf8), beatAt: now + EventStream.beat))
    }

    // MARK: - The connection's side

    func opened(_ connection: StreamHandle) {
        connection.limitUnsent(bytes: EventStream.unsentBytesMax)
        state.withLock { $0.handle = connection }
    }

    func read(max: Int) -> StreamChunk {
        let now = MonotonicTime.now()
        return state.withLock { state in
            state.owedSince = nil
            if state.offset == state.chunk.count, !fill(&state, now) {
                return state.isEnding ? .end : .wait
            }
            let upper = min(state.chunk.count, state.offset + max)
            defer { state.offset = upper }
            return .bytes(Array(state.chunk[state.offset..<upper]))
        }
    }

    /// Makes the next chunk; false when there is nothing.
    private func fill(_ state: inout State, _ now: MonotonicTime) -> Bool {
        if state.isEnding { return false }
        var text: [UInt8] = []
        switch hub.read(after: state.place, kind: kind, countMax: EventStream.chunkMax) {
        case .gone:
            text = EventStream.reset
            state.isEnding = true
        case .ended:
            state.isEnding = true
            return false
        case .batch(let batch):
            state.place = batch.place
            for event in batch.events {
                text += Array("id: \(event.id)\ndata: ".utf8) + event.line + Array("\n\n".utf8)
            }
            if text.isEmpty, now >= state.beatAt { text = Array(": beat\n\n".utf8) }
        }
        if text.isEmpty { return false }
        state.chunk = text
        state.offset = 0
        state.beatAt = now + EventStream.beat
        return true
    }

    /// The client has missed events: it forgets its place, reads what it needs anew, and comes again.
    private static let reset = Array(
        "event: reset\nid:\ndata: {\"code\":\"events-gone\",\"detail\":\"Events were missed: read the state anew.\"}\n\n"
            .utf8)

    func closed() {
        state.withLock { $0.handle = nil }
        onClose(self)
    }

    // MARK: - The node's side

    /// Has the connection read on when something is due, and breaks it off when it does not.
    func tick(at now: MonotonicTime) {
        let (wake, abort): (StreamHandle?, StreamHandle?) = state.withLock { state in
            let isDue =
                state.isEnding || state.offset < state.chunk.count || now >= state.beatAt
                || hub.last != state.place || hub.isEnded
            guard isDue else { return (nil, nil) }
            let since = state.owedSince ?? now
            state.owedSince = since
            return now - since > EventStream.patience ? (nil, state.handle) : (state.handle, nil)
        }
        wake?.wake()
        abort?.abort()
    }

    /// Brings the stream to its end, in order.
    func end() {
        let handle = state.withLock { state in
            state.isEnding = true
            return state.handle
        }
        handle?.wake()
    }
}
