/// A JSON document or a part of one.
///
/// Whole numbers without fraction or exponent are `integer`, all others `number`; the two are
/// never equal to each other.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Not a number and the infinities are written as `null`: JSON has no words for them.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// - Parameter integer: At most `Int64.max`; more stops the process.
    public init(_ integer: some BinaryInteger) { self = .integer(Int64(integer)) }

    /// The member called `name`; nil if there is none or this is not an object.
    public subscript(name: String) -> JSONValue? { objectValue?[name] }

    /// The element at `index`; nil beyond the end or if this is not an array.
    public subscript(index: Int) -> JSONValue? {
        guard let elements = arrayValue, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}

/// The value if it has the asked type, else nil.
extension JSONValue {
    public var isNull: Bool { self == .null }

    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public var integerValue: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }

    /// Integers too, rounded beyond 2^53.
    public var numberValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    public var arrayValue: [JSONValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    public var objectValue: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }
}

/// `null` for nil, so that a member is always present whatever is known.
extension JSONValue {
    public static func orNull(_ value: JSONValue?) -> JSONValue { value ?? .null }

    public static func orNull(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

    public static func orNull(_ value: Bool?) -> JSONValue { value.map { .bool($0) } ?? .null }

    public static func orNull(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }

    public static func orNull(_ value: (some BinaryInteger)?) -> JSONValue {
        value.map { JSONValue($0) } ?? .null
    }
}
