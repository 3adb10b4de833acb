import Engine
public import JSON
import Platform

/// Where events are published, kept for a while, and read.
///
/// Whoever publishes never waits for whoever reads: readers come for what is there, and one that is
/// too slow finds that its place is kept no more. Safe from any thread; nothing here blocks.
public final class EventHub: Sendable {
    private let state: Monitor<State>
    private let node: String

    /// Records that wait to be told of; beyond that readers are told that they have missed something.
    static let inboxMax = 32_768

    private struct State {
        var ring: EventRing
        var inbox: [EntryDifferences] = []
        var inboxCount = 0
        var hasOverflown = false
        var isPoked = false
        var isEnded = false
        var published: [Event.Kind: UInt64] = [:]
        var onChange: (@Sendable () -> Void)?
    }

    init(node: String) {
        self.node = node
        state = Monitor(State(ring: EventRing(run: .random(in: 0...UInt64.max))))
    }

    // MARK: - Reading

    /// Events for a reader, encoded.
    public struct Batch: Sendable {
        /// Each with its id, as one line of JSON.
        public var events: [(id: EventID, line: [UInt8], json: JSONValue)]
        /// Where to go on.
        public var place: EventID
        public var hasMore: Bool
    }

    public enum Reading: Sendable {
        case batch(Batch)
        /// Events after that place are kept no more, or it is of another run or another node.
        case gone
        /// The node is stopping: there will be no more.
        case ended
    }

    /// Of the newest event: where a reader begins that wants to know what is to come.
    public var last: EventID { state.withLock { $0.ring.last } }

    /// How many events of each kind there were since the process began.
    public var published: [Event.Kind: UInt64] { state.withLock { $0.published } }

    /// Whether there will be no more.
    public var isEnded: Bool { state.withLock { $0.isEnded } }

    /// What is kept after `place`; with nil all that is kept.
    public func read(after place: EventID?, kind: Event.Kind?, countMax: Int) -> Reading {
        state.withLock { state in
            let place = place ?? state.ring.beginning
            guard let page = state.ring.events(after: place, kind: kind, countMax: countMax) else {
                return .gone
            }
            if page.events.isEmpty, state.isEnded { return .ended }
            return .batch(
                Batch(
                    events: page.events.map { (id: $0.id, line: $0.line, json: $0.json) },
                    place: page.place, hasMore: page.hasMore))
        }
    }

    /// Has `body` called whenever there is something new, and some times a second besides, on a thread
    /// of the node. It must not block.
    public func onChange(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.onChange = body }
    }

    // MARK: - Publishing

    /// Takes what entries have done, to be told soon. For the committer and for whoever applies.
    func take(_ entries: [EntryDifferences]) {
        state.update { state in
            state.inboxCount += entries.reduce(0) { $0 + $1.all.count }
            if state.inboxCount > EventHub.inboxMax {
                state.hasOverflown = true
                state.inbox = []
            } else {
                state.inbox += entries
            }
        }
    }

    /// Something may have changed: it is looked at soon.
    func poke() { state.update { $0.isPoked = true } }

    func publish(_ events: [Event]) {
        guard !events.isEmpty else { return }
        state.withLock { state in
            if state.isEnded { return }
            for event in events {
                state.ring.append(event, node: node)
                state.published[event.kind, default: 0] += 1
            }
        }
    }

    /// Readers have missed something: all of them begin anew.
    func breakOff() { state.withLock { $0.ring.breakOff(run: .random(in: 0...UInt64.max)) } }

    /// The last event; readers come to an end behind it.
    func stop(_ last: Event) {
        let onChange = state.update { state in
            if !state.isEnded { state.ring.append(last, node: node) }
            state.isEnded = true
            return state.onChange
        }
        onChange?()
    }

    // MARK: - For the thread that watches

    enum Work: Sendable {
        /// Entries that have come, perhaps none.
        case look([EntryDifferences])
        /// More has come than could be kept.
        case overflow
        case stop
    }

    /// Blocks until there is something to do, at most for `beat`.
    func next(within beat: Duration) -> Work {
        let work = state.wait(until: .now() + beat) { state -> Work? in
            if state.isEnded { return .stop }
            guard state.isPoked || state.hasOverflown || !state.inbox.isEmpty else { return nil }
            defer {
                state.isPoked = false
                state.hasOverflown = false
                state.inbox = []
                state.inboxCount = 0
            }
            return state.hasOverflown ? .overflow : .look(state.inbox)
        }
        return work ?? .look([])
    }

    func tellReaders() {
        let onChange = state.withLock { $0.onChange }
        onChange?()
    }
}
