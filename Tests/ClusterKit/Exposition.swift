/// Metrics in Prometheus' text format, read strictly: what `promtool check metrics` complains of, and
/// what a server would not read at all, is a fault.
public struct Exposition: Sendable {
    public private(set) var samples: [Sample] = []
    public private(set) var faults: [String] = []
    private var types: [String: String] = [:]
    private var helped: Set<String> = []
    private var seen: Set<String> = []
    private var current: String?

    public struct Sample: Sendable {
        public var name: String
        public var labels: [String: String]
        public var value: Double
    }

    public init(_ text: String) {
        if !text.hasSuffix("\n") { faults.append("the last line has no end") }
        for line in text.split(separator: "\n") { read(String(line)) }
        for name in types.keys where !helped.contains(name) { faults.append("\(name) has no help") }
        for name in types.keys where types[name] == "histogram" { checkHistogram(name) }
    }

    /// The one value of `name` with these labels among others; nil when there is none.
    public func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }?.value
    }

    public func all(_ name: String) -> [Sample] { samples.filter { $0.name == name } }

    public var names: Set<String> { Set(types.keys) }

    private mutating func read(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 3).map(String.init)
        if line.hasPrefix("# HELP ") {
            guard words.count == 4, helped.insert(words[2]).inserted else {
                return faults.append("no help, or twice: \(line)")
            }
        } else if line.hasPrefix("# TYPE ") {
            guard words.count == 4, types.updateValue(words[3], forKey: words[2]) == nil else {
                return faults.append("no type, or twice: \(line)")
            }
            current = words[2]
            checkName(words[2], words[3])
        } else if line.hasPrefix("#") {
            faults.append("a comment that means nothing: \(line)")
        } else {
            readSample(line)
        }
    }

    private mutating func checkName(_ name: String, _ type: String) {
        if name.wholeMatch(of: /[a-z][a-z0-9_]*/) == nil { faults.append("name \(name)") }
        if !["gauge", "counter", "histogram"].contains(type) { faults.append("type \(type)") }
        if (type == "counter") != name.hasSuffix("_total") {
            faults.append("counters, and only they, end with _total: \(name)")
        }
        for ending in ["_bucket", "_sum", "_count", "_ms", "_milliseconds", "_kb"]
        where name.hasSuffix(ending) {
            faults.append("\(name) ends with \(ending)")
        }
    }

    private mutating func readSample(_ line: String) {
        guard let match = line.wholeMatch(of: /([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)/),
            let value = match.output.3 == "+Inf" ? .infinity : Double(match.output.3)
        else { return faults.append("cannot be read: \(line)") }
        let name = String(match.output.1)
        var labels: [String: String] = [:]
        for label in (match.output.2 ?? "").matches(of: /([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/) {
            if labels.updateValue(String(label.output.2), forKey: String(label.output.1)) != nil {
                faults.append("a label twice: \(line)")
            }
        }
        guard let family = current else { return faults.append("without a type: \(line)") }
        let isPart = ["_bucket", "_sum", "_count"].contains { name == family + $0 }
        guard name == family || (isPart && types[family] == "histogram") else {
            return faults.append("not behind its type: \(line)")
        }
        if types[family] != "histogram", labels["le"] != nil { faults.append("le: \(line)") }
        let series = name + labels.sorted { $0.key < $1.key }.map { "|\($0)=\($1)" }.joined()
        if !seen.insert(series).inserted { faults.append("twice: \(line)") }
        samples.append(Sample(name: name, labels: labels, value: value))
    }

    /// Buckets rise, and the last is the count.
    private mutating func checkHistogram(_ name: String) {
        func others(_ sample: Sample) -> [String: String] {
            sample.labels.filter { $0.key != "le" }
        }
        let counts = all(name + "_count")
        if counts.count != all(name + "_sum").count { faults.append("\(name): sums") }
        for count in counts {
            let buckets = all(name + "_bucket").filter { others($0) == count.labels }
            let bounds = buckets.map { Double($0.labels["le"] ?? "") ?? .infinity }
            let values = buckets.map(\.value)
            if bounds != bounds.sorted() || values != values.sorted() || values.last != count.value
                || bounds.last != .infinity
            {
                faults.append("\(name): buckets of \(count.labels)")
            }
        }
    }
}
