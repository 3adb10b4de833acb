public import JSON
public import Platform

/// Something that has happened, as `GET /v1/events` tells it. Names only: never a key, a value or a
/// token.
public struct Event: Equatable, Sendable {
    /// The raw values are the words of the API.
    public enum Kind: String, CaseIterable, Sendable {
        case node, link, topology, namespace, operation, alarm
    }

    public var kind: Kind
    /// What has happened, such as `full-sync-begun`; the API's document lists all words.
    public var what: String
    /// What it is about: the name of a node or of a namespace, a generation, the id of an operation.
    public var subject: String
    /// A sentence for people.
    public var detail: String
    /// The same for programs.
    public var data: JSONObject
    public var at: UnixMilliseconds

    public init(
        _ kind: Kind, _ what: String, _ subject: String, at: UnixMilliseconds, _ detail: String,
        _ data: JSONObject = JSONObject()
    ) {
        self.kind = kind
        self.what = what
        self.subject = subject
        self.at = at
        self.detail = detail
        self.data = data
    }

    /// As the API shows it: with its id, and who tells it.
    func json(_ id: EventID, node: String) -> JSONValue {
        [
            "id": .string("\(id)"), "at": .string(at.rfc3339), "kind": .string(kind.rawValue),
            "what": .string(what), "node": .string(node), "subject": .string(subject),
            "detail": .string(detail), "data": .object(data),
        ]
    }
}

/// An event's place in the ring of one run of one node: opaque to clients.
public struct EventID: Hashable, Sendable, CustomStringConvertible {
    /// Random, and new with each start of the process.
    public var run: UInt64
    /// From 1; 0 is before the first.
    public var number: UInt64

    public init(run: UInt64, number: UInt64) {
        self.run = run
        self.number = number
    }

    private static let runDigits = 16

    public var description: String {
        let digits = String(run, radix: 16)
        return String(repeating: "0", count: EventID.runDigits - digits.count)
            + "\(digits)-\(number)"
    }

    /// Nil for anything that cannot be an id.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        func holds(_ part: Substring, _ digits: ClosedRange<UInt8>..., count: ClosedRange<Int>)
            -> Bool
        {
            count.contains(part.utf8.count)
                && part.utf8.allSatisfy { byte in digits.contains { $0.contains(byte) } }
        }
        let decimal = UInt8(ascii: "0")...UInt8(ascii: "9")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "f")
        guard parts.count == 2, holds(parts[0], decimal, letters, count: 16...16),
            holds(parts[1], decimal, count: 1...18), let run = UInt64(parts[0], radix: 16),
            let number = UInt64(parts[1])
        else { return nil }
        self.init(run: run, number: number)
    }
}
