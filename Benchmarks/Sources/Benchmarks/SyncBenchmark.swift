import Foundation
import HTTPClient
import JSON

/// A full sync of 1 GiB that cannot be compressed, beside curl fetching the same files from nginx.
enum SyncBenchmark {
    private static let valueBytes = 1 << 20
    private static let valueCount = 1024

    static func run() throws {
        let scratch = try Scratch()
        let primary = try ConvoyNode(name: "n1", in: scratch)
        defer { primary.stop() }
        var generator = SplitMix64(seed: 1)
        let loading = try seconds {
            for number in 0..<valueCount {
                var value = [UInt8]()
                value.reserveCapacity(valueBytes)
                for _ in 0..<valueBytes / 8 {
                    withUnsafeBytes(of: generator.next()) { value.append(contentsOf: $0) }
                }
                let answer = try primary.request(
                    "PUT", "/v1/namespaces/default/keys/\(number)", bytes: value)
                guard answer.status == 201 else { throw BenchmarkError("PUT: \(answer.status)") }
            }
        }
        print("loaded \(valueCount) values of 1 MiB in \(rounded(loading, 1)) s")

        let replica = try ConvoyNode(name: "n2", in: scratch)
        defer { replica.stop() }
        let waiting = try seconds {
            _ = try primary.request("POST", "/v1/nodes", ["address": .string(replica.url)])
            let sync = try primary.request("GET", "/v1/sync?wait=in_sync&timeout=120s")
            guard sync.status == 200 else { throw BenchmarkError("sync: \(sync.status)") }
        }
        let last = try replica.json("/v1/nodes/self")["last_full_sync"]
        let bytes = last?["bytes"]?.numberValue ?? 0
        let took = last?["seconds"]?.numberValue ?? .infinity
        let rate = bytes / took / 1e6
        print(
            "Convoy: \(rounded(bytes / 1e6)) MB, every file hash-verified, in \(rounded(took, 2)) s: \(rounded(rate)) MB/s; in sync \(rounded(waiting, 2)) s after the request"
        )

        // The files of a stopped node stay as they are.
        replica.stop()
        primary.stop()
        let root = primary.dataDirectory.appending(path: "data")
        let nginx = try Nginx(serving: root, in: scratch)
        defer { nginx.stop() }
        let (copied, seconds) = try fetchWithCurl(root, nginx, scratch)
        let yardstick = copied / seconds / 1e6
        print(
            "curl --parallel-max 4 from nginx: \(rounded(copied / 1e6)) MB in \(rounded(seconds, 2)) s: \(rounded(yardstick)) MB/s; Convoy is \(rounded(rate / yardstick, 2)) × that"
        )
    }

    private static func fetchWithCurl(
        _ root: URL, _ nginx: Nginx, _ scratch: Scratch
    ) throws -> (bytes: Double, seconds: Double) {
        let target = scratch.url.appending(path: "copy")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        var lines: [String] = []
        var bytes = 0.0
        let files = FileManager.default.enumerator(atPath: root.path)
        while let path = files?.nextObject() as? String {
            guard path.hasSuffix(".sst"), path.contains("/db/") else { continue }
            let attributes = try FileManager.default.attributesOfItem(
                atPath: root.appending(path: path).path)
            bytes += (attributes[.size] as? NSNumber)?.doubleValue ?? 0
            lines.append("url = \"\(nginx.url)/\(path)\"")
            lines.append("output = \"\(target.path)/\(lines.count)\"")
        }
        let list = scratch.url.appending(path: "curl.txt")
        try lines.joined(separator: "\n").write(to: list, atomically: true, encoding: .utf8)
        let took = try seconds {
            _ = try Child.output(
                of: [
                    "curl", "--no-progress-meter", "--fail", "--parallel", "--parallel-max", "4",
                    "-K",
                    list.path,
                ])
        }
        return (bytes, took)
    }
}

/// A generator that is the same for the same seed, and quicker than asking the system.
private struct SplitMix64 {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
