import ClusterKit
import JSON
import Platform
import Testing

/// Waiting is asked of the server, with an end.
@Suite(.cluster) struct WaitTests {
    @Test(.timeLimit(.minutes(1)))
    func `a wait is answered when it is met`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        let index = try #require(primary.put(Path.key("k"), [1]).index)
        for predicate in ["applied>=\(index)", "applied%3E%3D\(index)", "applied:\(index)"] {
            let answer = try CommandRun.curl([
                "--globoff", "\(replica.base)/v1/nodes/self?wait=\(predicate)&timeout=5s",
            ])
            let node = NodeView(try JSONValue(parsing: answer.output))
            #expect(try #require(node.position?.index) >= index, "\(predicate): \(answer.text)")
        }
        #expect(try replica.get("/v1/nodes/n1?wait=applied:\(index)&timeout=5s").status == 200)
        #expect(try primary.get("/v1/nodes/n2?wait=applied:\(index)&timeout=5s").status == 200)
        for client in [primary, replica] {
            let all = "wait=in_sync&wait=converged&wait=in_sync:1&wait=generation:1"
            let answer = try client.get("/v1/sync?\(all)&timeout=10s&stable_for=300ms")
            #expect(answer.status == 200, "\(answer)")
            #expect(answer["in_sync"] == true)
        }
        // Met while it waits.
        let waiting = Monitor<TestAnswer?>(nil)
        let next = index + 1000
        let thread = WorkerThread(name: "waiting") {
            // No answer is told apart below.
            let answer = try? replica.ask(
                "GET", "/v1/nodes/self?wait=applied:\(next)&timeout=20s", waiting: .seconds(20))
            waiting.update { $0 = answer }
        }
        while try #require(primary.put(Path.key("k"), [2]).index) < next {}
        #expect(thread.join(until: .now() + .seconds(10)))
        let answer = try #require(waiting.withLock { $0 })
        #expect(answer.status == 200)
        #expect(try #require(NodeView(answer.json).position?.index) >= next)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a wait that is not met in time says what is missing`() throws {
        let client = try TestCluster().primary.client
        let start = MonotonicTime.now()
        let late = try client.get("/v1/nodes/self?wait=applied:999999&timeout=300ms")
        let took = MonotonicTime.now() - start
        #expect(late.status == 504, "\(late)")
        #expect(late.problem == "wait-timeout")
        #expect(late["unmet"]?.arrayValue?.count == 1)
        #expect(late["current"]?["name"] == "n1")
        #expect(took >= .milliseconds(300) && took < .seconds(3), "\(took)")

        let replicas = try client.get("/v1/sync?wait=in_sync&wait=in_sync:1&timeout=200ms")
        #expect(replicas.status == 504)
        #expect(replicas["unmet"]?.arrayValue?.count == 1, "in_sync itself holds")
        #expect(replicas["current"]?["in_sync"] == true)

        let stable = try client.get("/v1/sync?wait=in_sync&stable_for=1s&timeout=200ms")
        #expect(stable.status == 504)
    }

    @Test(.timeLimit(.minutes(1)))
    func `many wait at once and nobody else is kept waiting`() throws {
        let client = try TestCluster().primary.client
        let threads = (0..<100).map { number in
            WorkerThread(name: "waiter", stackBytes: 256 << 10) {
                // Answered below, by the write.
                _ = try? client.ask(
                    "GET", "/v1/nodes/self?wait=applied:50&timeout=30s", waiting: .seconds(30))
            }
        }
        for _ in 0..<20 {
            let start = MonotonicTime.now()
            #expect(try client.get("/v1/sync").status == 200)
            #expect(MonotonicTime.now() - start < .seconds(1))
        }
        while try #require(client.put(Path.key("k"), [1]).index) < 50 {}
        for thread in threads { #expect(thread.join(until: .now() + .seconds(10))) }
    }
}
