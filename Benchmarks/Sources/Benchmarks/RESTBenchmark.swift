import Foundation

/// Requests per second of small values over keep-alive connections, beside nginx with a file of the
/// same size. Taken in turn, three times; medians.
enum RESTBenchmark {
    private static let valueBytes = 128
    private static let rounds = 3
    private static let duration = "5s"

    static func run() throws {
        let scratch = try Scratch()
        let node = try ConvoyNode(name: "n1", in: scratch)
        defer { node.stop() }
        let value = [UInt8](repeating: UInt8(ascii: "v"), count: valueBytes)
        let path = "/v1/namespaces/default/keys/small"
        _ = try node.request("PUT", path, bytes: value)
        let root = scratch.url.appending(path: "root")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        try Data(value).write(to: root.appending(path: "small"))
        let nginx = try Nginx(serving: root, in: scratch)
        defer { nginx.stop() }

        let put = scratch.url.appending(path: "put.lua")
        let script = """
            wrk.method = "PUT"
            wrk.body = string.rep("v", \(valueBytes))
            request = function()
                return wrk.format(nil, "/v1/namespaces/default/keys/key" .. math.random(1000000))
            end
            """
        try script.write(to: put, atomically: true, encoding: .utf8)

        var rates: [String: [Double]] = [:]
        for _ in 0..<rounds {
            rates["nginx", default: []].append(try wrk(nginx.url + "/small"))
            rates["GET", default: []].append(try wrk(node.url + path))
            rates["PUT", default: []].append(
                try wrk(node.url + "/", ["-s", put.path]))
        }
        let median = rates.mapValues { $0.sorted()[$0.count / 2] }
        let yardstick = median["nginx"] ?? 1
        for (name, label) in [
            ("nginx", "nginx, static file"), ("GET", "Convoy GET"), ("PUT", "Convoy PUT"),
        ] {
            let rate = median[name] ?? 0
            print(
                "\(label), \(valueBytes) B, 32 connections: \(rounded(rate))/s, \(rounded(rate / yardstick, 2)) × nginx"
            )
        }
    }

    private static func wrk(_ url: String, _ more: [String] = []) throws -> Double {
        let text = try Child.output(of: ["wrk", "-t1", "-c32", "-d\(duration)"] + more + [url])
        guard let line = text.split(separator: "\n").first(where: { $0.contains("Requests/sec:") }),
            let rate = line.split(separator: " ").last.flatMap({ Double($0) })
        else { throw BenchmarkError("wrk printed no rate:\n\(text)") }
        if let failed = text.split(separator: "\n").first(where: { $0.contains("Non-2xx") }) {
            throw BenchmarkError("\(url): \(failed)")
        }
        return rate
    }
}
