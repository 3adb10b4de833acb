import JSON

/// Everything that is wrong with one document.
final class FaultList {
    private(set) var faults: [Problem.Fault] = []

    /// More than these are not told.
    static let faultsMax = 100
    /// A pointer has names in it that the client has chosen.
    static let pointerBytesMax = 256

    static let unknownField = "unknown-field"

    func report(_ pointer: String, _ code: String, _ detail: String) {
        guard faults.count < FaultList.faultsMax else { return }
        let shown = String(pointer.prefix(FaultList.pointerBytesMax))
        faults.append(Problem.Fault(pointer: shown, code: code, detail: detail))
    }

    /// Throws all of them as one problem; nothing when there are none.
    func check() throws(Problem) {
        guard !faults.isEmpty else { return }
        if faults.contains(where: { $0.code == FaultList.unknownField }) {
            throw .unknownField(faults)
        }
        throw .validationFailed(faults)
    }
}

/// Reads the members of one object of a request, and collects all that is wrong with them. A value
/// that is at fault reads as nil: call ``FaultList/check()`` before anything is done.
struct Fields {
    let pointer: String
    let faults: FaultList
    private let object: JSONObject

    /// The value should be an object, with no fields but those of `names`.
    init(_ value: JSONValue, at pointer: String = "", allowing names: [String], _ faults: FaultList)
    {
        self.pointer = pointer
        self.faults = faults
        guard let object = value.objectValue else {
            self.object = JSONObject()
            faults.report(pointer, "wrong-type", "This must be an object.")
            return
        }
        self.object = object
        for (name, _) in object.members where !names.contains(name) {
            faults.report(
                pointer + "/" + Fields.escaped(name), FaultList.unknownField,
                "There is no such field; there are \(names.joined(separator: ", ")).")
        }
    }

    var isEmpty: Bool { object.isEmpty }

    func has(_ name: String) -> Bool { object[name] != nil }

    /// Absent or null.
    func isNil(_ name: String) -> Bool { object[name].map(\.isNull) ?? true }

    func report(_ name: String, _ code: String, _ detail: String) {
        faults.report(place(of: name), code, detail)
    }

    func place(of name: String) -> String { pointer + "/" + Fields.escaped(name) }

    func text(_ name: String, isRequired: Bool = false) -> String? {
        read(name, isRequired, "a string") { $0.stringValue }
    }

    /// Why a change is made: 256 code points, so that they fit a document's reason as UTF-8.
    func reason(isRequired: Bool = false) -> String? {
        parsed("reason", isRequired: isRequired, "a sentence of 1 to 256 characters") { text in
            (1...256).contains(text.unicodeScalars.count) ? text : nil
        }
    }

    func flag(_ name: String, isRequired: Bool = false) -> Bool? {
        read(name, isRequired, "true or false") { $0.boolValue }
    }

    /// `3.0` is a whole number too, as in JSON Schema.
    func integer(_ name: String, in range: ClosedRange<Int>, isRequired: Bool = false) -> Int? {
        read(name, isRequired, "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            let number =
                switch $0 {
                case .integer(let integer): Int(exactly: integer)
                case .number(let number): Int(exactly: number)
                case .null, .bool, .string, .array, .object: nil as Int?
                }
            return number.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A string that `parse` accepts. `rule` says what it must be.
    func parsed<Value>(
        _ name: String, isRequired: Bool = false, _ rule: String, _ parse: (String) -> Value?
    ) -> Value? {
        read(name, isRequired, rule) { $0.stringValue.flatMap(parse) }
    }

    /// The elements, each with its place.
    func list(
        _ name: String, count: ClosedRange<Int>, isRequired: Bool = false
    ) -> [(value: JSONValue, pointer: String)]? {
        let rule = "a list of \(count.lowerBound) to \(count.upperBound) items"
        let list = read(name, isRequired, rule) { value -> [JSONValue]? in
            value.arrayValue.flatMap { count.contains($0.count) ? $0 : nil }
        }
        let place = place(of: name)
        return list?.enumerated().map { (value: $1, pointer: "\(place)/\($0)") }
    }

    private func read<Value>(
        _ name: String, _ isRequired: Bool, _ rule: String, _ convert: (JSONValue) -> Value?
    ) -> Value? {
        guard let member = object[name] else {
            if isRequired { report(name, "missing", "It is missing; it must be \(rule).") }
            return nil
        }
        guard let value = convert(member) else {
            report(name, "invalid", "It must be \(rule).")
            return nil
        }
        return value
    }

    /// As RFC 6901 wants it.
    static func escaped(_ name: String) -> String {
        guard name.contains(where: { $0 == "~" || $0 == "/" }) else { return name }
        return name.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
    }
}
