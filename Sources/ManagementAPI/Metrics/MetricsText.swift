/// Writes metrics as Prometheus reads them (text format 0.0.4).
///
/// Each metric is begun once, before its values. What is not known is left out, never an old number.
struct MetricsText {
    private(set) var bytes: [UInt8] = []

    typealias Labels = [(String, String)]

    /// What a metric is; once, before its values.
    mutating func begin(_ name: String, _ type: String, _ help: String) {
        line("# HELP \(name) \(help)")
        line("# TYPE \(name) \(type)")
    }

    mutating func add(_ name: String, _ labels: Labels, _ value: Double) {
        let shown = value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
        let inside = labels.map { "\($0.0)=\"\(MetricsText.escaped($0.1))\"" }.joined(
            separator: ",")
        line(inside.isEmpty ? "\(name) \(shown)" : "\(name){\(inside)} \(shown)")
    }

    /// Nothing when the value is not known.
    mutating func gauge(_ name: String, _ help: String, _ value: Double?, _ labels: Labels = []) {
        guard let value else { return }
        begin(name, "gauge", help)
        add(name, labels, value)
    }

    mutating func gauge(_ name: String, _ help: String, _ holds: Bool) {
        gauge(name, help, holds ? 1 : 0)
    }

    mutating func counter(_ name: String, _ help: String, _ value: UInt64?) {
        guard let value else { return }
        begin(name, "counter", help)
        add(name, [], Double(value))
    }

    /// One value for each of some labels; nothing when there is none that is known.
    mutating func family(
        _ name: String, _ type: String, _ help: String, _ values: [(labels: Labels, value: Double?)]
    ) {
        let known = values.filter { $0.value != nil }
        if known.isEmpty { return }
        begin(name, type, help)
        // Two nodes of one name, for a moment, would make the whole text unreadable.
        var seen: Set<[String]> = []
        for (labels, value) in known {
            guard let value, seen.insert(labels.map(\.1)).inserted else { continue }
            add(name, labels, value)
        }
    }

    private mutating func line(_ text: String) {
        bytes += Array(text.utf8)
        bytes.append(UInt8(ascii: "\n"))
    }

    private static func escaped(_ text: String) -> String {
        guard text.contains(where: { $0 == "\\" || $0 == "\"" || $0 == "\n" }) else { return text }
        return text.map {
            $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0)
        }
        .joined()
    }
}
