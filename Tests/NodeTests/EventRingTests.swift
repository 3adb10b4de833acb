import Engine
import JSON
import Log
import Platform
import Testing

@testable import Node

@Suite struct EventHubTests {
    private func entry(records: Int) -> EntryDifferences {
        EntryDifferences(
            index: LogIndex(1), time: UnixMilliseconds(rawValue: 0),
            all: (0..<records).map { _ in .namespace(before: nil, after: nil) })
    }

    @Test func `more than can be told at once is a gap, never a memory that grows`() {
        let hub = EventHub(node: "n1")
        for _ in 0..<5 { hub.take([entry(records: EventHub.inboxMax / 5)]) }
        guard case .look(let entries) = hub.next(within: .zero) else {
            Issue.record("a gap though all fits")
            return
        }
        #expect(entries.count == 5)
        for _ in 0..<6 { hub.take([entry(records: EventHub.inboxMax / 5)]) }
        guard case .overflow = hub.next(within: .zero) else {
            Issue.record("no gap")
            return
        }
        guard case .look(let rest) = hub.next(within: .zero) else {
            Issue.record("still a gap")
            return
        }
        #expect(rest.isEmpty)
    }
}

@Suite struct EventRingTests {
    private let run: UInt64 = 0x00AB_CDEF_0123_4567

    private func event(_ number: Int, _ kind: Event.Kind = .node, bytes: Int = 0) -> Event {
        Event(
            kind, "state", "n\(number)", at: UnixMilliseconds(rawValue: UInt64(number)),
            String(repeating: "x", count: bytes))
    }

    private func filled(_ count: Int) -> EventRing {
        var ring = EventRing(run: run)
        for number in 0..<count { ring.append(event(number), node: "n1") }
        return ring
    }

    private func id(_ number: Int) -> EventID { EventID(run: run, number: UInt64(number)) }

    @Test func `whoever comes again gets what came after the last event that it knows`() throws {
        let ring = filled(10)
        let page = try #require(ring.events(after: id(7), kind: nil, countMax: 100))
        #expect(page.events.map(\.id) == [id(8), id(9), id(10)])
        #expect(page.place == id(10) && !page.hasMore)
        #expect(ring.events(after: id(10), kind: nil, countMax: 100)?.events.isEmpty == true)
        #expect(ring.events(after: ring.beginning, kind: nil, countMax: 100)?.events.count == 10)
    }

    @Test func `an id of another run, or of an event that never was, is recognised`() {
        let ring = filled(10)
        let other = EventID(run: run + 1, number: 7)
        #expect(ring.events(after: other, kind: nil, countMax: 1) == nil)
        #expect(ring.events(after: id(11), kind: nil, countMax: 1) == nil)
        #expect(EventRing(run: run).events(after: id(1), kind: nil, countMax: 1) == nil)
    }

    @Test func `only so many events are kept, and whoever is too late is told so`() throws {
        let count = 3 * EventRing.countMax + 17
        let ring = filled(count)
        let oldest = count - EventRing.countMax + 1
        #expect(ring.events(after: id(oldest - 2), kind: nil, countMax: 1) == nil)
        let page = try #require(ring.events(after: id(oldest - 1), kind: nil, countMax: count))
        #expect(page.events.count == EventRing.countMax)
        #expect(page.events.first?.id == id(oldest) && page.place == id(count))
        #expect(ring.beginning == id(oldest - 1))
    }

    @Test func `only so many bytes are kept, but always the newest event`() throws {
        var ring = EventRing(run: run)
        for number in 0..<100 { ring.append(event(number, bytes: 100_000), node: "n1") }
        let page = try #require(ring.events(after: ring.beginning, kind: nil, countMax: 1_000))
        #expect(page.events.reduce(0) { $0 + $1.line.count } <= EventRing.bytesMax)
        #expect(page.events.count > 15 && page.place == id(100))
        ring.append(event(0, bytes: 2 * EventRing.bytesMax), node: "n1")
        #expect(ring.events(after: id(100), kind: nil, countMax: 10)?.events.count == 1)
    }

    @Test func `a page of one kind goes on behind what it has looked at`() throws {
        var ring = EventRing(run: run)
        for number in 1...30 {
            ring.append(event(number, number.isMultiple(of: 3) ? .link : .node), node: "n1")
        }
        let first = try #require(ring.events(after: id(0), kind: .link, countMax: 4))
        #expect(first.events.map(\.id) == [id(3), id(6), id(9), id(12)])
        #expect(first.hasMore)
        let rest = try #require(ring.events(after: first.place, kind: .link, countMax: 100))
        #expect(rest.events.map(\.id) == [15, 18, 21, 24, 27, 30].map(id))
        #expect(!rest.hasMore)
        #expect(ring.events(after: id(0), kind: .alarm, countMax: 10)?.place == id(30))
    }

    @Test func `after a gap every earlier id is gone`() {
        var ring = filled(5)
        ring.breakOff(run: run + 1)
        #expect(ring.events(after: id(5), kind: nil, countMax: 1) == nil)
        #expect(ring.last == EventID(run: run + 1, number: 0))
    }

    @Test(arguments: [
        "", "x", "00abcdef01234567", "00abcdef01234567-", "abcdef01234567-1", "00ABCDEF01234567-1",
        "00abcdef01234567-1234567890123456789", "00abcdef01234567-+1", "00abcdef01234567-1-1",
    ])
    func `only what was given out is an id`(text: String) {
        #expect(EventID("00abcdef01234567-17") == id(17))
        #expect("\(id(17))" == "00abcdef01234567-17")
        #expect(EventID(text) == nil)
    }

    @Test func `an event says who tells it, of what, in words and for programs`() throws {
        var ring = EventRing(run: run)
        ring.append(
            Event(
                .link, "full-sync-begun", "n2", at: UnixMilliseconds(rawValue: 1_500),
                "n2 begins a full sync from n1: empty.", ["reason": "empty"]), node: "n1")
        let kept = try #require(ring.events(after: id(0), kind: nil, countMax: 1)?.events.first)
        #expect(try JSONValue(parsing: kept.line) == kept.json)
        #expect(
            kept.json == [
                "id": "00abcdef01234567-1", "at": "1970-01-01T00:00:01.500Z", "kind": "link",
                "what": "full-sync-begun", "node": "n1", "subject": "n2",
                "detail": "n2 begins a full sync from n1: empty.", "data": ["reason": "empty"],
            ])
    }
}
