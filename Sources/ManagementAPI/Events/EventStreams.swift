import Node
import Platform

/// The event streams that are open.
final class EventStreams: Sendable {
    static let streamsMax = 256

    private let open = Monitor<[ObjectIdentifier: Open]>([:])

    private struct Open: Sendable {
        let stream: EventStream
        /// Watches whether the client would still be let in.
        var ticket: AdmissionWatch.Ticket?
    }

    var count: Int { open.withLock { $0.count } }

    /// A stream that goes on after `place`; nil when there are too many.
    func begin(
        _ hub: EventHub, after place: EventID, kind: Event.Kind?
    ) -> EventStream? {
        let stream = EventStream(
            hub, after: place, kind: kind, at: .now(),
            onClose: { [weak self] stream in self?.forget(stream) })
        return open.withLock { open in
            guard open.count < EventStreams.streamsMax else { return nil }
            open[ObjectIdentifier(stream)] = Open(stream: stream)
            return stream
        }
    }

    private func forget(_ stream: EventStream) {
        let ticket = open.withLock { $0.removeValue(forKey: ObjectIdentifier(stream))?.ticket }
        ticket?.cancel()
    }

    /// `ticket` ends the stream, and is cancelled with it.
    func keep(_ ticket: AdmissionWatch.Ticket, of stream: EventStream) {
        let isOpen = open.withLock { open in
            open[ObjectIdentifier(stream)]?.ticket = ticket
            return open[ObjectIdentifier(stream)] != nil
        }
        if !isOpen { ticket.cancel() }
    }

    /// Called at each change and some times a second, on the node's thread for events.
    func tick(at now: MonotonicTime) {
        for open in open.withLock({ Array($0.values) }) { open.stream.tick(at: now) }
    }
}
