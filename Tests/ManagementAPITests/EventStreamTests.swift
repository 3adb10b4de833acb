import Engine
import HTTPServer
import JSON
import Platform
import Testing

@testable import ManagementAPI
@testable import Node

@Suite struct EventStreamTests {
    private let hub = EventHub(node: "n1")
    private let streams = EventStreams()

    private func publish(_ count: Int, _ kind: Event.Kind = .node) {
        hub.publish(
            (0..<count).map {
                Event(kind, "state", "n\($0)", at: UnixMilliseconds(rawValue: 0), "It is.")
            })
    }

    private func stream(after place: EventID? = nil, kind: Event.Kind? = nil) throws -> EventStream
    {
        try #require(
            streams.begin(hub, after: place ?? hub.last, kind: kind))
    }

    /// All that is there, as text; `isOver` when the stream has come to its end.
    private func text(_ stream: EventStream, max: Int = 64 << 10) -> (text: String, isOver: Bool) {
        var bytes: [UInt8] = []
        func told() -> String {
            // A beat is due where this thread was stalled for seconds: a comment, and no event.
            String(decoding: bytes, as: UTF8.self).replacing(": beat\n\n", with: "")
        }
        while true {
            switch stream.read(max: max) {
            case .bytes(let more):
                #expect(more.count <= max && !more.isEmpty)
                bytes += more
            case .wait: return (told(), false)
            case .end, .abort: return (told(), true)
            }
        }
    }

    @Test func `a stream begins with its place, so that one that breaks off at once goes on`()
        throws
    {
        publish(3)
        let place = hub.last
        #expect(text(try stream()).text == "retry: 1000\nid: \(place)\n\n")
    }

    @Test(arguments: [1, 7, 64 << 10])
    func `events come once, in order, whatever pieces the connection takes`(max: Int) throws {
        let stream = try stream()
        let first = text(stream, max: max).text
        publish(200)
        let (more, isOver) = text(stream, max: max)
        #expect(first.hasSuffix("\n\n") && !isOver)
        let frames = more.split(separator: "\n\n")
        #expect(frames.count == 200)
        for (place, frame) in frames.enumerated() {
            let lines = frame.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].hasPrefix("id: "))
            let json = try JSONValue(parsing: Array(lines[1].dropFirst("data: ".count).utf8))
            #expect(json["subject"]?.stringValue == "n\(place)")
            #expect(json["id"]?.stringValue == String(lines[0].dropFirst("id: ".count)))
        }
        #expect(text(stream, max: max).text.isEmpty)
    }

    @Test func `a reader that was too slow is told to begin anew, and comes to its end`() throws {
        let stream = try stream()
        _ = text(stream)
        publish(EventRing.countMax + 1)
        let (told, isOver) = text(stream)
        #expect(told.hasPrefix("event: reset\nid:\ndata: {") && told.hasSuffix("}\n\n"))
        #expect(isOver)
    }

    @Test func `a stream of one kind has no others`() throws {
        let stream = try stream(kind: .link)
        _ = text(stream)
        publish(5)
        #expect(text(stream).text.isEmpty)
        publish(1, .link)
        #expect(text(stream).text.contains("\"kind\":\"link\""))
    }

    @Test func `streams end when the node stops, after what was still to tell`() throws {
        let stream = try stream()
        _ = text(stream)
        publish(1)
        hub.stop(Event(.node, "stopping", "n1", at: UnixMilliseconds(rawValue: 0), "Stopping."))
        publish(1, .link)
        let (told, isOver) = text(stream)
        #expect(told.contains("\"subject\":\"n0\"") && told.contains("stopping") && isOver)
        #expect(!told.contains("link"))
    }

    @Test func `a stream that is over watches nobody's right any more`() throws {
        let watch = AdmissionWatch()
        let stream = try stream()
        let ticket = watch.add({ nil }, end: { _ in })
        streams.keep(ticket, of: stream)
        #expect(!ticket.isOver)
        stream.closed()
        #expect(ticket.isOver)
        let late = watch.add({ nil }, end: { _ in })
        streams.keep(late, of: stream)
        #expect(late.isOver)
    }

    @Test func `so many streams and no more, and a place is free again when one has closed`() throws
    {
        let open = try (0..<EventStreams.streamsMax).map { _ in try stream() }
        #expect(streams.begin(hub, after: hub.last, kind: nil) == nil)
        open[0].closed()
        #expect(streams.count == EventStreams.streamsMax - 1)
        _ = try stream()
    }

    @Test func `only who asks for a stream gets one`() {
        let type = "text/event-stream"
        for field in [type, "text/html, \(type)", "Text/Event-Stream;q=0.5", "\(type); q=1"] {
            #expect(EventResource.accepts(type, field), "\(field)")
        }
        for field in ["", "*/*", "text/*", "application/json", "\(type);q=0", "x\(type)"] {
            #expect(!EventResource.accepts(type, field), "\(field)")
        }
    }
}
