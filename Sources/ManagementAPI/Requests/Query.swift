import HTTPServer
import Platform

/// The parameters of a request, each known to its route, and each there once at most.
struct Query: Sendable {
    private var values: [(name: String, value: String)] = []

    static let empty = Query()

    private init() {}

    /// The one parameter that may stand several times.
    static let repeatable = "wait"

    init(_ pairs: [(name: String, value: String)], allowing names: [String]) throws(Problem) {
        for (name, value) in pairs {
            guard names.contains(name) else {
                let known =
                    names.isEmpty
                    ? "It takes none." : "It takes \(names.joined(separator: ", "))."
                throw .invalidArgument(
                    "There is a query parameter that this request does not take. \(known)")
            }
            guard name == Query.repeatable || !values.contains(where: { $0.name == name }) else {
                throw .invalidArgument("The query parameter \(name) is there twice.")
            }
            values.append((name, value))
        }
    }

    func text(_ name: String) -> String? { values.first { $0.name == name }?.value }

    func all(_ name: String) -> [String] { values.filter { $0.name == name }.map(\.value) }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = text(name) else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(text), range.contains(number)
        else {
            throw .invalidArgument(
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch text(name) {
        case nil, "false": return false
        case "true": return true
        default: throw .invalidArgument("\(name) must be true or false.")
        }
    }

    func duration(_ name: String, max: Duration) throws(Problem) -> Duration? {
        guard let text = text(name) else { return nil }
        guard let duration = DurationText.parse(text), duration <= max else {
            throw .invalidArgument(
                "\(name) must be \(DurationText.rule), at most \(max.components.seconds) s.")
        }
        return duration
    }
}
