import Foundation
import HTTPClient
import JSON
import Platform

/// A hundred thousand namespaces: making them, listing them, starting with them, syncing them to a
/// replica; beside a node without any. `CONVOY_BENCH_NAMESPACES` takes another number.
enum NamespacesBenchmark {
    private static let batch = 10_000
    private static let pageRounds = 200
    private static let singleRounds = 50

    static func run() throws {
        let count =
            ProcessInfo.processInfo.environment["CONVOY_BENCH_NAMESPACES"].flatMap(Int.init)
            ?? 100_000
        let scratch = try Scratch()
        let empty = try startAgain(nil, in: scratch)
        var node = empty.node
        print(
            "empty node: ready \(rounded(empty.seconds, 2)) s after its start, \(rounded(empty.megabytes)) MB"
        )
        try create(count, at: node)
        print(
            "right after that: \(rounded(try memory(of: node) - empty.megabytes)) MB more than empty"
        )
        try createSingly(at: node)
        try list(count, at: node)
        let full = try startAgain(node, in: scratch)
        node = full.node
        defer { node.stop() }
        print(
            "the same with \(count) namespaces: ready after \(rounded(full.seconds, 2)) s, \(rounded(full.megabytes)) MB; \(rounded(full.seconds - empty.seconds, 2)) s and \(rounded(full.megabytes - empty.megabytes)) MB more"
        )
        try sync(count, from: node, in: scratch)
    }

    /// Stops a node, if it runs, and starts it.
    private static func startAgain(
        _ node: ConvoyNode?, in scratch: Scratch
    ) throws -> (node: ConvoyNode, seconds: Double, megabytes: Double) {
        if node == nil { try ConvoyNode(name: "n1", in: scratch).stop() }
        node?.stop()
        let start = Date()
        let started = try ConvoyNode(name: "n1", in: scratch)
        let took = Date().timeIntervalSince(start)
        sleep(2)
        return (started, took, try memory(of: started))
    }

    private static func memory(of node: ConvoyNode) throws -> Double {
        let text = String(decoding: try node.request("GET", "/metrics").body, as: UTF8.self)
        let name = "process_resident_memory_bytes "
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return (line.flatMap { Double($0.dropFirst(name.count)) } ?? 0) / 1e6
    }

    private static func name(_ number: Int) -> String {
        "tenant-\(String(UInt64(number) &* 0x9E37_79B9 % 0xFFFF_FFFF, radix: 36))-\(number)"
    }

    // MARK: - Making

    private static func create(_ count: Int, at node: ConvoyNode) throws {
        let bodies = stride(from: 0, to: count, by: batch).map { first -> [UInt8] in
            let items = (first..<min(count, first + batch)).map { "{\"name\":\"\(name($0))\"}" }
            return Array("{\"create\":[\(items.joined(separator: ","))]}".utf8)
        }
        let quiet = try Writer(node.url).pause(seconds: 3)
        let writer = Writer(node.url)
        var rates: [Double] = []
        for body in bodies {
            let took = try seconds {
                let answer = try node.request(
                    "POST", "/v1/namespaces/batch", bytes: body, isJSON: true)
                guard answer.status == 201 else {
                    throw BenchmarkError("create: \(answer.status)")
                }
            }
            rates.append(Double(batch) / took)
        }
        let busy = writer.stop()
        let all = Double(bodies.count) / rates.reduce(0) { $0 + 1 / $1 }
        print(
            "created in batches of \(batch): \(rounded(all)) a second, first batch \(rounded(rates[0])), last \(rounded(rates[rates.count - 1]))"
        )
        print(
            "one writer beside it: p50 \(milliseconds(busy, 0.5)), p99 \(milliseconds(busy, 0.99)), longest \(milliseconds(busy, 1)); alone p50 \(milliseconds(quiet, 0.5)), p99 \(milliseconds(quiet, 0.99)), longest \(milliseconds(quiet, 1))"
        )
    }

    private static func createSingly(at node: ConvoyNode) throws {
        let took = try (0..<singleRounds).map { number in
            try seconds {
                let answer = try node.request(
                    "POST", "/v1/namespaces", ["name": .string("single-\(number)")])
                guard answer.status == 201 else {
                    throw BenchmarkError("create: \(answer.status)")
                }
            }
        }
        print(
            "one more, when there are as many: p50 \(milliseconds(took, 0.5)), longest \(milliseconds(took, 1))"
        )
    }

    // MARK: - Listing

    private static func list(_ count: Int, at node: ConvoyNode) throws {
        let base = "/v1/namespaces?page_size=100"
        func next(_ path: String) throws -> String {
            try node.json(path)["next_page_token"]?.stringValue ?? ""
        }
        // Half of the way by the largest pages.
        var middle = ""
        for _ in 0..<(count / 2_000) {
            let token = middle.isEmpty ? "" : "&page_token=\(middle)"
            middle = try next("/v1/namespaces?page_size=1000\(token)")
        }
        let pages = [
            ("first", base), ("middle", base + "&page_token=\(middle)"),
            ("last", base + "&prefix=tenant-z"), ("by prefix", base + "&prefix=tenant-1f"),
            ("names falling", base + "&order=desc"), ("by id", base + "&sort=id"),
            ("most bytes first", base + "&sort=bytes&order=desc"),
            ("most bytes first, by prefix", base + "&sort=bytes&order=desc&prefix=tenant-1"),
            ("those in trouble", base + "&in_trouble=true"),
            ("most reads first", base + "&sort=reads_per_second&order=desc"),
        ]
        for (label, path) in pages {
            let took = try (0..<pageRounds).map { _ in
                try seconds {
                    let answer = try node.request("GET", path)
                    guard answer.status == 200 else {
                        throw BenchmarkError("list: \(answer.status)")
                    }
                }
            }
            print(
                "a page of 100, \(label): p50 \(milliseconds(took, 0.5)), p99 \(milliseconds(took, 0.99))"
            )
        }
    }

    // MARK: - Syncing

    private static func sync(_ count: Int, from primary: ConvoyNode, in scratch: Scratch) throws {
        let replica = try ConvoyNode(name: "n2", in: scratch)
        defer { replica.stop() }
        let start = Date()
        _ = try primary.request("POST", "/v1/nodes", ["address": .string(replica.url)])
        // It was ready as a primary of its own; from when it is a replica its first answer counts.
        try replica.wait(60) {
            (try? replica.json("/v1/nodes/self")["running"]?["role"]?.stringValue) == "replica"
        }
        try replica.wait(120) { (try? replica.request("GET", "/readyz").status) == 200 }
        let ready = Date().timeIntervalSince(start)
        let metrics = String(
            decoding: try replica.request("GET", "/metrics").body, as: UTF8.self)
        let found = metrics.split(separator: "\n").first { $0.hasPrefix("convoy_namespaces ") }
        print(
            "full sync: ready \(rounded(ready, 2)) s after it was asked for, with \(found?.split(separator: " ").last ?? "no") namespaces"
        )
    }

    // MARK: - Beside it

    /// Puts one small value after another, on a thread of its own.
    private final class Writer: Sendable {
        private let state = Monitor((isOver: false, hasEnded: false, took: [Double]()))

        init(_ url: String) {
            _ = WorkerThread(name: "writer") { [state] in
                let fetcher = HTTPFetcher(userAgent: "convoy-bench")
                while !state.withLock({ $0.isOver }) {
                    let took = try? seconds {
                        _ = try fetcher.fetch(
                            FetchRequest(
                                method: "PUT", url: url + "/v1/namespaces/default/keys/beside",
                                body: [1, 2, 3],
                                deadlines: FetchDeadlines(
                                    idle: .seconds(60), total: .seconds(60)),
                                answerBytesMax: 1 << 16))
                    }
                    if let took { state.withLock { $0.took.append(took) } }
                }
                state.update { $0.hasEnded = true }
            }
        }

        func pause(seconds: UInt32) throws -> [Double] {
            sleep(seconds)
            return stop()
        }

        func stop() -> [Double] {
            state.withLock { $0.isOver = true }
            return state.wait(until: .now() + .seconds(60)) { $0.hasEnded ? $0.took : nil } ?? []
        }
    }

    private static func milliseconds(_ times: [Double], _ part: Double) -> String {
        let sorted = times.sorted()
        guard let last = sorted.indices.last else { return "none" }
        return "\(rounded(sorted[min(last, Int(Double(sorted.count) * part))] * 1_000, 2)) ms"
    }
}
