import ClusterKit
import Platform

/// A replica is stopped, the primary takes 300,000 writes, the replica is started: how long until it
/// has applied everything, and until the primary says that all are in sync. From the log, without a
/// full sync. Once with many clients, whose writes share entries, and once with a single one, whose
/// writes are an entry each.
enum CatchUp {
    private static let writes = 300_000

    static func run() throws {
        let cluster = try TestCluster(nodes: 2)
        for connections in [WriteLoad.connections, 1] {
            try run(cluster[0], cluster[1], connections: connections)
        }
    }

    private static func run(
        _ primary: ConvoyProcess, _ replica: ConvoyProcess, connections: Int
    ) throws {
        let fullSyncs = try replica.client.node().fullSyncs
        let before = try applied(primary)
        try replica.stop()
        var written = 0
        while written < writes {
            written += try WriteLoad(on: primary, seconds: 2, connections: connections).finish()
                .writes
        }
        let wanted = try applied(primary)

        let start = MonotonicTime.now()
        try replica.start(until: .nothing)
        try poll(within: .seconds(60), every: .milliseconds(1), for: "everything is applied") {
            // Not there yet, at first.
            ((try? applied(replica)) ?? 0) >= wanted ? true : nil
        }
        let took = MonotonicTime.now() - start
        try primary.client.waitUntilInSync(within: 30)
        let inSync = MonotonicTime.now() - start
        guard try replica.client.node().fullSyncs == fullSyncs else {
            throw BenchmarkError("the replica took a full sync instead of the log")
        }
        let entries = wanted - before
        say(
            "down for \(written) writes over \(connections) connections, \(entries) entries: all applied \(rounded(took.inSeconds, 2)) s after the start of the process, \(rounded(Double(entries) / took.inSeconds)) entries/s, \(rounded(Double(written) / took.inSeconds)) writes/s; in sync after \(rounded(inSync.inSeconds, 2)) s"
        )
    }

    private static func applied(_ node: ConvoyProcess) throws -> UInt64 {
        guard let index = try node.client.get(Path.key("nobody")).index else {
            throw BenchmarkError("\(node.name) does not say its index")
        }
        return index
    }
}
