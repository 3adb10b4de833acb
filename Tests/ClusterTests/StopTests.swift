import ClusterKit
import Glibc
import HTTPClient
import JSON
import Platform
import Testing

/// A node that is asked to stop does so in order, and soon.
@Suite(.cluster) struct StopTests {
    @Test(.timeLimit(.minutes(4)), arguments: [SIGTERM, SIGINT])
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
        // By its own word: who is connected may not have asked yet.
        try poll(within: .seconds(30), for: "all ten wait at the node") {
            let metrics = Exposition(try node.client.get("/metrics").text)
            return metrics.value("convoy_waits") == 10 ? true : nil
        }
        #expect(answers.withLock { $0.isEmpty })
        node.send(signal)
        // Who waited for the requests would do so for a minute.
        #expect(node.waitForEnd(within: .seconds(isFullRun ? 5 : 30)) == .exited(0))
        for thread in threads { #expect(thread.join(until: .now() + .seconds(20))) }
        #expect(answers.withLock { $0.count } == 10)
        #expect(answers.withLock { $0.allSatisfy { [503, 504].contains($0) } })
    }

    @Test(.timeLimit(.minutes(4)))
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

    @Test(.timeLimit(.minutes(4)))
    func `every node of a cluster stops in order whatever the others do`() throws {
        let cluster = try TestCluster(nodes: 3)
        cluster[1].pause()
        #expect(try cluster.primary.stop() == .exited(0))
        #expect(try cluster[2].stop() == .exited(0))
        cluster[1].resume()
        #expect(try cluster[1].stop() == .exited(0))
    }
}
