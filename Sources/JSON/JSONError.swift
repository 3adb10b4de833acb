/// Why bytes were not accepted as JSON, and where.
public struct JSONError: Error, Equatable, Sendable {
    public var reason: Reason
    /// From 1.
    public var line: Int
    /// From 0, in characters, as jansson counts; behind what was wrong.
    public var column: Int
    /// For people. Quotes nothing of the document beyond a broken escape: it may hold secrets.
    public var message: String

    public enum Reason: Equatable, Sendable {
        /// Not JSON, or not UTF-8.
        case malformed
        /// An object has a member twice.
        case duplicateName
        /// A number that neither 64 bits signed nor a double can hold.
        case numberOutOfRange
        /// JSON, but nested too deeply or of too many values.
        case limitExceeded
    }
}

extension JSONError: CustomStringConvertible {
    public var description: String { "line \(line), column \(column): \(message)" }
}
