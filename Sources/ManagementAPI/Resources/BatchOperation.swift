import Engine
import JSON

/// One operation of a batch, as its document says.
enum BatchOperation: Equatable, Sendable {
    case write(KeyWrite)
    case check(KeyCheck)

    /// A document of 64 MiB has no more.
    static let countMax = 2_000_000

    private enum Kind: String {
        case put, delete, check, incr, append

        var fields: [String] {
            switch self {
            case .put: ["value", "value_base64", "ttl_seconds"]
            case .delete: []
            case .check: ["etag", "exists"]
            case .incr: ["by"]
            case .append: ["value", "value_base64"]
            }
        }
    }

    /// Nil when it is at fault: that is reported.
    ///
    /// - Throws: What is no fault of the document: a key or value that is too large.
    init?(
        _ value: JSONValue, at pointer: String, place: Int, _ faults: FaultList
    ) throws(Problem) {
        let kind = value["op"]?.stringValue.flatMap(Kind.init(rawValue:))
        let fields = Fields(
            value, at: pointer,
            allowing: ["op", "key", "key_base64"] + (kind?.fields ?? Self.allFields),
            faults)
        _ = fields.parsed("op", isRequired: true, "put, delete, check, incr or append") {
            Kind(rawValue: $0)
        }
        let key = try BatchOperation.key(fields)
        guard let kind, let key else { return nil }
        switch kind {
        case .put:
            guard let bytes = try BatchOperation.value(fields) else { return nil }
            let lifetime = Lifetime.read(fields, isRequired: false)
            self = .write(.put(key: key, value: bytes, lifetime: lifetime?.duration))
        case .delete:
            self = .write(.delete(key: key))
        case .incr:
            // At fault it reads as nil, which is reported.
            let step = fields.integer("by", in: Int.min...Int.max) ?? 1
            self = .write(.increment(key: key, by: Int64(step)))
        case .append:
            guard let bytes = try BatchOperation.value(fields) else { return nil }
            self = .write(.append(key: key, bytes: bytes))
        case .check:
            guard let expectation = BatchOperation.expectation(fields) else { return nil }
            self = .check(KeyCheck(key: key, expectation: expectation, operation: place))
        }
    }

    /// Of an operation whose kind is not known no field is called unknown that some kind has.
    private static let allFields = Kind.put.fields + Kind.check.fields + Kind.incr.fields

    var write: KeyWrite? { if case .write(let write) = self { write } else { nil } }

    var check: KeyCheck? { if case .check(let check) = self { check } else { nil } }

    var isWrite: Bool { write != nil }

    static func key(_ fields: Fields) throws(Problem) -> [UInt8]? {
        guard let key = bytes(fields, "key", "key_base64") else { return nil }
        guard !key.isEmpty else {
            fields.report("key", "invalid", "A key has 1 to \(Key.userKeyBytesMax) bytes.")
            return nil
        }
        guard key.count <= Key.userKeyBytesMax else {
            throw tooLarge(fields, "key", limitBytes: Key.userKeyBytesMax)
        }
        return key
    }

    static func value(_ fields: Fields) throws(Problem) -> [UInt8]? {
        guard let value = bytes(fields, "value", "value_base64") else { return nil }
        guard value.count <= StoredValue.bytesMax else {
            throw tooLarge(fields, "value", limitBytes: StoredValue.bytesMax)
        }
        return value
    }

    private static func tooLarge(_ fields: Fields, _ name: String, limitBytes: Int) -> Problem {
        let detail = "A \(name) has at most \(limitBytes) bytes."
        let fault = Problem.Fault(
            pointer: fields.place(of: name), code: "too-large", detail: detail)
        return Problem.tooLarge(detail, limitBytes: limitBytes).with([fault])
    }

    /// Bytes as text or as Base64; one of the two must be there.
    private static func bytes(_ fields: Fields, _ text: String, _ base64: String) -> [UInt8]? {
        guard fields.has(base64) else {
            return fields.text(text, isRequired: true).map { Array($0.utf8) }
        }
        guard !fields.has(text) else {
            fields.report(base64, "invalid", "There is \(text) already; one of the two is enough.")
            return nil
        }
        return fields.parsed(base64, "Base64 with padding") { Base64.decode($0) }
    }

    private static func expectation(_ fields: Fields) -> KeyCheck.Expectation? {
        guard fields.has("etag") != fields.has("exists") else {
            fields.report("etag", "invalid", "A check has either etag or exists.")
            return nil
        }
        if fields.has("exists") { return fields.flag("exists").map { .exists($0) } }
        return fields.parsed("etag", "an ETag with its double quotes") { text in
            guard text.utf8.count > 2, text.hasPrefix("\""), text.hasSuffix("\"") else {
                return nil
            }
            // One that is none of ours matches nothing.
            return ValueVersion(etag: text).map { .version($0) } ?? .versions([])
        }
    }
}
