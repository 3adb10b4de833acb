import ClusterKit
import Foundation
import Glibc
import Platform

/// What replicas cost the primary, how far behind they are, how fast they catch up, and what a
/// topology change costs while a primary stands still.
///
/// Primary, replicas and load share the machine's cores: where there are few, the rates say how a
/// core is divided. So beside each rate stands what a write costs the primary itself, in processor
/// time, which does not depend on who else wants the core.
enum ReplicationBenchmark {
    private static let parts: [(name: String, run: @Sendable () throws -> Void)] = [
        ("replication-rate", WriteRate.run), ("replication-lag", ReplicaLag.run),
        ("replication-catch-up", CatchUp.run), ("replication-silence", SilentUpstream.run),
    ]

    /// Each part can be asked for alone.
    static let names = parts.map(\.name)

    static func run() throws { for name in names { try run(part: name) } }

    static func run(part name: String) throws {
        let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "unknown"
        say(
            "\(name): \(ProcessInfo.processInfo.activeProcessorCount) cores, load before \(load.prefix(14))"
        )
        for part in parts where part.name == name { try part.run() }
    }
}

/// Prints at once: the parts take minutes.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

/// Sorted times, in milliseconds, and what is asked of them.
struct Times {
    private let sorted: [Double]

    init(_ milliseconds: [Double]) { sorted = milliseconds.sorted() }

    var count: Int { sorted.count }
    var median: Double { percentile(50) }
    var maximum: Double { sorted.last ?? .nan }

    /// The one that so many percent do not exceed.
    func percentile(_ percent: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * percent / 100))]
    }
}

extension Duration {
    var milliseconds: Double { inSeconds * 1_000 }
}
