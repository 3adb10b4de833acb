import ClusterKit
import Glibc
import HTTPClient
import JSON
import Platform
import Testing

/// A node that is asked to stop does so in order, and soon.
@Suite(.cluster) struct StopTests {
    @Test(.timeLimit(.minutes(1)), arguments: [SIGTERM, SIGINT])
    func `a waiting request is answered and the node ends within five seconds`(
        signal: Int32
    ) throws {
        let node = try TestCluster().primary
        let answers = Monitor<[Int]>([])
        let threads = (0..<10).map { number in
            WorkerThread(name: "waiter") {
                let path =
                    number.isMultiple(of: 2)
                    ? "/v1/sync?wait=generation:99&timeout=60s"
                    : "/v1/nodes/self?wait=applied:999999&timeout=60s"
                // Without an answer the count below is short.
                guard let answer = try? node.client.ask("GET", path, waiting: .seconds(60)) else {
                    return
                }
                answers.update { $0.append(answer.problem == nil ? 200 : answer.status) }
            }
        }
        try poll(within: .seconds(5), for: "all ten are at the node") {
            try node.establishedConnections() >= 10 ? true : nil
        }
        rest(.milliseconds(200))
        #expect(answers.withLock { $0.isEmpty })
        node.send(signal)
        #expect(node.waitForEnd(within: .seconds(5)) == .exited(0))
        for thread in threads { #expect(thread.join(until: .now() + .seconds(2))) }
        #expect(answers.withLock { $0.count } == 10)
        #expect(answers.withLock { $0.allSatisfy { [503, 504].contains($0) } })
    }

    @Test(.timeLimit(.minutes(1)))
    func `a node stops under load and nothing acknowledged is missing`() throws {
        let cluster = try TestCluster(nodes: 2)
        let random = SeededRandom.announced(for: "a stop under load")
        let writers = ParallelWriters(8, to: cluster.primary.client, random: random, label: "w")
        try writers.waitForAcknowledgements(100)
        #expect(try cluster.primary.stop() == .exited(0))
        let journal = try writers.finish()
        try cluster.primary.start()
        #expect(try journal.faults(at: cluster.primary.client, namespace: "default") == [])
        try cluster.primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(1)))
    func `every node of a cluster stops in order whatever the others do`() throws {
        let cluster = try TestCluster(nodes: 3)
        cluster[1].pause()
        #expect(try cluster.primary.stop() == .exited(0))
        #expect(try cluster[2].stop() == .exited(0))
        cluster[1].resume()
        #expect(try cluster[1].stop() == .exited(0))
    }
}

extension ConvoyProcess {
    /// TCP connections of clients, as the kernel lists them.
    func establishedConnections() throws -> Int {
        let table = String(decoding: try Self.read("/proc/net/tcp"), as: UTF8.self)
        let own = ":" + String(String(port + 0, radix: 16, uppercase: true).leftPadded(to: 4))
        return table.split(separator: "\n").filter { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasSuffix(own) && fields[3] == "01"
        }.count
    }

    /// Files of `/proc` have no size to read by.
    private static func read(_ path: String) throws -> [UInt8] {
        let file = try File(path, .read)
        return try file.read(at: 0, count: 4 << 20)
    }
}

extension String {
    fileprivate func leftPadded(to count: Int) -> String {
        String(repeating: "0", count: max(0, count - self.count)) + self
    }
}
