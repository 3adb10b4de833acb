import Engine
import HTTPServer
import JSON
import Log
import Platform

/// How the keys of a namespace look outside: what exports write and imports read.
///
/// JSON lines: an object a line. The first of an export is `{"convoy_export":1,"namespace","position",…}`,
/// the last `{"convoy_export_end":1,"count"}`; between them a line for each key. Frames, for values that
/// are no text, say the same; all integers little-endian:
///
///     "CONVOYKV" version u8 = 1
///     'H' length u32, the first line's object
///     'K' key bytes u32, value bytes u32, expires at u64 (ms since 1970; 0: never), key, value
///     'E' length u32, the last line's object
enum TransferFormat: Sendable {
    case jsonLines
    case frames

    static let magic = Array("CONVOYKV".utf8) + [1]
    static let headMark = UInt8(ascii: "H")
    static let keyMark = UInt8(ascii: "K")
    static let endMark = UInt8(ascii: "E")
    /// Of a `K` frame before its key.
    static let keyFrameHeadBytes = 17

    static let headName = "convoy_export"
    static let endName = "convoy_export_end"
    static let version = 1

    /// What `Accept` asks for; lines unless it asks for bytes.
    init(accepted head: RequestHead) {
        let wantsBytes = head.headers(named: "Accept").contains {
            EventResource.accepts("application/octet-stream", $0)
        }
        self = wantsBytes ? .frames : .jsonLines
    }

    var contentType: String {
        switch self {
        case .jsonLines: "application/x-ndjson"
        case .frames: "application/octet-stream"
        }
    }

    var fileSuffix: String {
        switch self {
        case .jsonLines: "jsonl"
        case .frames: "convoykv"
        }
    }

    // MARK: - Writing

    /// What an export begins with.
    func head(_ members: JSONObject) -> [UInt8] {
        switch self {
        case .jsonLines: line(.object(members))
        case .frames: TransferFormat.magic + frame(TransferFormat.headMark, .object(members))
        }
    }

    /// Says that the export is complete.
    func end(count: Int) -> [UInt8] {
        let document: JSONValue = [
            TransferFormat.endName: JSONValue(TransferFormat.version), "count": JSONValue(count),
        ]
        return switch self {
        case .jsonLines: line(document)
        case .frames: frame(TransferFormat.endMark, document)
        }
    }

    func append(_ key: [UInt8], _ value: StoredValue, to bytes: inout [UInt8]) {
        switch self {
        case .jsonLines:
            var document = JSONObject()
            TransferText.put(key, into: &document, "key")
            TransferText.put(value.bytes, into: &document, "value")
            document["expires_at"] = value.expiry.map { .string($0.rfc3339) }
            bytes += line(.object(document))
        case .frames:
            var writer = ByteWriter(capacity: TransferFormat.keyFrameHeadBytes)
            writer.little(TransferFormat.keyMark)
            writer.little(UInt32(key.count))
            writer.little(UInt32(value.bytes.count))
            writer.little(value.expiry?.rawValue ?? 0)
            bytes += writer.bytes
            bytes += key
            bytes += value.bytes
        }
    }

    private func line(_ document: JSONValue) -> [UInt8] {
        document.serialized() + [UInt8(ascii: "\n")]
    }

    private func frame(_ mark: UInt8, _ document: JSONValue) -> [UInt8] {
        let text = document.serialized()
        var writer = ByteWriter(capacity: 5 + text.count)
        writer.little(mark)
        writer.little(UInt32(text.count))
        writer.append(text)
        return writer.bytes
    }
}
