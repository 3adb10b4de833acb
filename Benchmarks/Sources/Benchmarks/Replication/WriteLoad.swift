import ClusterKit
import Foundation
import Glibc
import Platform

/// Writes of 128 B to random ones of a million keys, by `wrk` over connections that are kept open.
///
/// One thread of `wrk` and 32 connections take about a third of a core and fill a primary that has
/// the rest of two.
final class WriteLoad {
    private let child: ChildProcess
    private let node: ConvoyProcess
    private let outputPath: String
    private let seconds: Int
    private let processorSecondsBefore: Double
    /// Keeps the files of the run.
    private let scratch: ScratchDirectory

    static let valueBytes = 128
    static let connections = 32

    struct Result {
        var writes: Int
        var seconds: Double
        /// Of the node that was written to.
        var processorSeconds: Double

        var rate: Double { Double(writes) / seconds }
        var microsecondsPerWrite: Double { processorSeconds / Double(max(1, writes)) * 1e6 }
    }

    /// Begins to write to `node`, for so many seconds.
    init(on node: ConvoyProcess, seconds: Int, connections: Int = WriteLoad.connections) throws {
        scratch = try ScratchDirectory("load")
        let script = """
            wrk.method = "PUT"
            wrk.body = string.rep("v", \(WriteLoad.valueBytes))
            request = function()
                return wrk.format(nil, "/v1/namespaces/default/keys/key" .. math.random(1000000))
            end
            """
        try script.write(toFile: "\(scratch.path)/put.lua", atomically: true, encoding: .utf8)
        outputPath = "\(scratch.path)/out"
        self.node = node
        self.seconds = seconds
        processorSecondsBefore = try WriteLoad.processorSeconds(of: node)
        child = try ChildProcess(
            "/usr/bin/wrk",
            [
                "-t1", "-c\(connections)", "-d\(seconds)s", "-s", "\(scratch.path)/put.lua",
                node.client.base + "/",
            ], output: outputPath, errors: "\(scratch.path)/err")
    }

    /// Blocks until the time is over.
    func finish() throws -> Result {
        guard child.waitForEnd(within: .seconds(seconds + 20)) == .exited(0) else {
            throw BenchmarkError("wrk did not end as it should")
        }
        let text = try String(contentsOfFile: outputPath, encoding: .utf8)
        // As in "  123456 requests in 10.00s, 8.11MB read".
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let place = words.firstIndex(of: "requests"), place > 0, place + 2 < words.count,
            let writes = Int(words[place - 1]), !text.contains("Non-2xx"),
            let took = WriteLoad.seconds(words[place + 2])
        else { throw BenchmarkError("not what wrk should print:\n\(text)") }
        let after = try WriteLoad.processorSeconds(of: node)
        return Result(
            writes: writes, seconds: took, processorSeconds: after - processorSecondsBefore)
    }

    /// Reads `10.00s,` or `1.00m,`.
    private static func seconds(_ text: Substring) -> Double? {
        let text = text.drop { $0 == "," }.filter { $0 != "," }
        let number = Double(text.filter { $0.isNumber || $0 == "." })
        return text.hasSuffix("m") ? number.map { $0 * 60 } : number
    }

    /// What the node has used of the processor so far, in the system's name and its own.
    private static func processorSeconds(of node: ConvoyProcess) throws -> Double {
        guard let number = node.processID else { throw BenchmarkError("\(node.name) is not there") }
        let text = try String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)
        // The second field is the program's name, in parentheses, and may hold blanks.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[12]), let system = Double(fields[13])
        else { throw BenchmarkError("/proc/\(number)/stat cannot be read") }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
