import Node
import Platform

/// The event streams that are open.
final class EventStreams: Sendable {
    static let streamsMax = 256

    private let open = Monitor<[ObjectIdentifier: EventStream]>([:])

    var count: Int { open.withLock { $0.count } }

    /// A stream that goes on after `place`; nil when there are too many.
    func begin(
        _ hub: EventHub, after place: EventID, kind: Event.Kind?, owner: Caller
    ) -> EventStream? {
        let stream = EventStream(
            hub, after: place, kind: kind, owner: owner, at: .now(),
            onClose: { [weak self] stream in self?.forget(stream) })
        return open.withLock { open in
            guard open.count < EventStreams.streamsMax else { return nil }
            open[ObjectIdentifier(stream)] = stream
            return stream
        }
    }

    private func forget(_ stream: EventStream) {
        open.withLock { $0[ObjectIdentifier(stream)] = nil }
    }

    /// Ends the streams of some callers, as when their token was revoked. Returns at once.
    func end(where isUnwanted: (Caller) -> Bool) {
        let all = open.withLock { Array($0.values) }
        for stream in all where isUnwanted(stream.owner) { stream.end() }
    }

    /// Called at each change and some times a second, on the node's thread for events.
    func tick(at now: MonotonicTime) {
        for stream in open.withLock({ Array($0.values) }) { stream.tick(at: now) }
    }
}
