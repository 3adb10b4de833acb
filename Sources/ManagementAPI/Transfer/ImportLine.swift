import Engine
import JSON
import Platform

/// One JSON line of an import.
enum ImportLine {
    /// The last millisecond of the year 9999.
    static let expiryMax: UInt64 = 253_402_300_799_999

    private static let keyFields = [
        "key", "key_base64", "value", "value_base64", "expires_at", "ttl_seconds",
    ]
    private static let timeRule =
        "a time in UTC with milliseconds, such as 2030-01-31T12:00:00.000Z, or null"

    static func item(_ text: [UInt8], now: UnixMilliseconds) -> ImportReader.Item {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: text, valuesMax: 100)
        } catch {
            return .fault(
                ImportReader.Fault(
                    code: "malformed-json", detail: "The line is no JSON object: \(error)."))
        }
        if document[TransferFormat.headName] != nil { return head(document) }
        if document[TransferFormat.endName] != nil { return end(document) }
        do throws(Problem) {
            return try key(document, now: now)
        } catch {
            return .fault(ImportReader.Fault(code: error.code, detail: error.detail))
        }
    }

    private static func head(_ document: JSONValue) -> ImportReader.Item {
        document[TransferFormat.headName]?.integerValue == Int64(TransferFormat.version)
            ? .head : .fault(otherVersion)
    }

    private static func end(_ document: JSONValue) -> ImportReader.Item {
        guard document[TransferFormat.endName]?.integerValue == Int64(TransferFormat.version),
            let count = document["count"]?.integerValue
        else { return .fault(otherVersion) }
        return .end(count: Int(count))
    }

    private static let otherVersion = ImportReader.Fault(
        code: "unknown-version",
        detail: "This is an export of a version that this node does not know.", isFatal: true)

    private static func key(
        _ document: JSONValue, now: UnixMilliseconds
    ) throws(Problem) -> ImportReader.Item {
        let faults = FaultList()
        let fields = Fields(document, allowing: keyFields, faults)
        let key = try BatchOperation.key(fields)
        let value = try BatchOperation.value(fields)
        var expiry: UnixMilliseconds?
        if !fields.isNil("expires_at") {
            expiry = fields.parsed("expires_at", timeRule) { UnixMilliseconds(rfc3339: $0) }
            if fields.has("ttl_seconds") {
                fields.report("ttl_seconds", "invalid", "There is expires_at already.")
            }
        } else if let lifetime = Lifetime.read(fields, isRequired: false)?.duration {
            expiry = now.advanced(by: lifetime)
        }
        if let fault = faults.faults.first {
            // The place and the words of the first are enough for a line.
            let place = fault.pointer.isEmpty ? "" : "\(fault.pointer): "
            let code = fault.code == FaultList.unknownField ? fault.code : "invalid-line"
            return .fault(ImportReader.Fault(code: code, detail: place + fault.detail))
        }
        guard let key, let value else {
            return .fault(ImportReader.Fault(code: "invalid-line", detail: "It has no key."))
        }
        return .key(ImportedKey(key: key, value: value, expiry: expiry))
    }
}
