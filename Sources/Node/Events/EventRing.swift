import JSON

/// The last events of one run of a node. Pure: no clock, no lock, nobody is told.
///
/// Invariants
///  1. Numbers rise by one, and are never given again within a run.
///  2. At most ``countMax`` events and ``bytesMax`` bytes are kept, and always the newest.
struct EventRing: Sendable {
    static let countMax = 4_096
    /// Of the events as JSON; what they take in memory is some times as much.
    static let bytesMax = 2 << 20

    struct Kept: Sendable {
        var id: EventID
        var kind: Event.Kind
        var json: JSONValue
        /// The same, in one line.
        var line: [UInt8]
    }

    private(set) var run: UInt64
    private var kept: [Kept] = []
    /// Of `kept`, what is kept no more: taken off in one go now and then.
    private var dropped = 0
    private var bytes = 0
    private var number: UInt64 = 0

    init(run: UInt64) { self.run = run }

    /// Of the newest event.
    var last: EventID { EventID(run: run, number: number) }

    private var first: UInt64 { number - UInt64(kept.count - dropped) + 1 }

    mutating func append(_ event: Event, node: String) {
        number += 1
        let json = event.json(last, node: node)
        let line = json.serialized()
        kept.append(Kept(id: last, kind: event.kind, json: json, line: line))
        bytes += line.count
        while kept.count - dropped > EventRing.countMax
            || (bytes > EventRing.bytesMax && kept.count - dropped > 1)
        {
            bytes -= kept[dropped].line.count
            dropped += 1
        }
        if dropped >= EventRing.countMax {
            kept.removeFirst(dropped)
            dropped = 0
        }
    }

    /// Forgets everything, and gives ids of another run from here on: whoever follows has missed
    /// something.
    mutating func breakOff(run: UInt64) {
        self = EventRing(run: run)
    }

    /// The events after `place`, the oldest first.
    ///
    /// - Parameters:
    ///   - place: Of the last event that the caller knows.
    ///   - kind: Nil for all.
    ///   - countMax: How many at most.
    /// - Returns: Nil when some of them are kept no more, or the id is of another run or another node.
    func events(after place: EventID, kind: Event.Kind?, countMax: Int) -> EventPage? {
        guard place.run == run, place.number <= number, place.number + 1 >= first else {
            return nil
        }
        var page = EventPage(events: [], place: place, hasMore: false)
        for event in kept[(dropped + Int(place.number + 1 - first))...] {
            let isWanted = kind == nil || event.kind == kind
            if isWanted, page.events.count == countMax {
                page.hasMore = true
                break
            }
            page.place = event.id
            if isWanted { page.events.append(event) }
        }
        return page
    }

    /// Before the oldest event that is kept.
    var beginning: EventID { EventID(run: run, number: first - 1) }
}

/// Some events in a row.
struct EventPage: Sendable {
    var events: [EventRing.Kept]
    /// Of the last event that was looked at, wanted or not.
    var place: EventID
    /// Whether at least one more is wanted behind it.
    var hasMore: Bool
}
