import ClusterKit
import JSON
import Platform
import Testing

/// Waiting is asked of the server, with an end.
@Suite(.cluster) struct WaitTests {
    @Test(.timeLimit(.minutes(3)))
    func `a wait is answered when it is met`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary.client, cluster[1].client)
        let index = try #require(primary.put(Path.key("k"), [1]).index)
        for predicate in ["applied>=\(index)", "applied%3E%3D\(index)", "applied:\(index)"] {
            let answer = try CommandRun.curl([
                "--globoff", "\(replica.base)/v1/nodes/self?wait=\(predicate)&timeout=25s",
            ])
            let node = NodeView(try JSONValue(parsing: answer.output))
            #expect(try #require(node.position?.index) >= index, "\(predicate): \(answer.text)")
        }
        try replica.waitUntilApplied(index, at: "n1")
        try primary.waitUntilApplied(index, at: "n2")
        for client in [primary, replica] {
            let all = "wait=in_sync&wait=converged&wait=in_sync:1&wait=generation:1"
            let answer = try client.ask(
                "GET", "/v1/sync?\(all)&timeout=30s&stable_for=300ms", waiting: .seconds(30)
            ).expecting(200)
            #expect(answer["in_sync"] == true, "it shows what ended the wait")
            #expect(answer["converged"] == true && answer["in_sync_replicas"] == 1)
        }
        // Met while it waits.
        let waiting = Monitor<TestAnswer?>(nil)
        let next = index + 100
        let thread = WorkerThread(name: "waiting") {
            // No answer is told apart below.
            let answer = try? replica.ask(
                "GET", "/v1/nodes/self?wait=applied:\(next)&timeout=90s", waiting: .seconds(90))
            waiting.update { $0 = answer }
        }
        try waitUntilWaiting(1, at: replica)
        while try #require(primary.put(Path.key("k"), [2]).index) < next {}
        #expect(thread.join(until: .now() + .seconds(30)))
        let answer = try #require(waiting.withLock { $0 })
        #expect(answer.status == 200)
        #expect(try #require(NodeView(answer.json).position?.index) >= next)
    }

    /// Until so many requests wait at the node.
    private func waitUntilWaiting(_ count: Double, at client: TestClient) throws {
        try poll(within: .seconds(30), for: "\(count) requests wait") {
            let metrics = Exposition(try client.get("/metrics").text)
            return metrics.value("convoy_waits") == count ? true : nil
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a wait that is not met in time says what is missing`() throws {
        let client = try TestCluster().primary.client
        let start = MonotonicTime.now()
        let late = try client.get("/v1/nodes/self?wait=applied:999999&timeout=300ms")
        let took = MonotonicTime.now() - start
        #expect(late.status == 504, "\(late)")
        #expect(late.problem == "wait-timeout")
        #expect(late["unmet"]?.arrayValue?.count == 1)
        #expect(late["current"]?["name"] == "n1")
        // Not the half minute that it would be otherwise.
        #expect(took >= .milliseconds(300) && took < .seconds(15), "\(took)")

        let replicas = try client.get("/v1/sync?wait=in_sync&wait=in_sync:1&timeout=200ms")
        #expect(replicas.status == 504)
        #expect(replicas["unmet"]?.arrayValue?.count == 1, "in_sync itself holds")
        #expect(replicas["current"]?["in_sync"] == true)

        let stable = try client.get("/v1/sync?wait=in_sync&stable_for=60s&timeout=200ms")
        #expect(stable.status == 504)
    }

    @Test(.timeLimit(.minutes(3)))
    func `many wait at once and nobody else is kept waiting`() throws {
        let client = try TestCluster().primary.client
        let threads = (0..<100).map { number in
            WorkerThread(name: "waiter", stackBytes: 256 << 10) {
                // Answered below, by the write.
                _ = try? client.ask(
                    "GET", "/v1/nodes/self?wait=applied:50&timeout=120s", waiting: .seconds(120))
            }
        }
        try waitUntilWaiting(100, at: client)
        let times = try (0..<20).map { _ in
            try LatencyProbe.time { try client.get("/v1/sync").expecting(200) }.took
        }
        // Not the longest: the machine may hold any of them up.
        #expect(times.sorted()[10] < .seconds(1), "\(times)")
        try waitUntilWaiting(100, at: client)
        while try #require(client.put(Path.key("k"), [1]).index) < 50 {}
        let deadline = MonotonicTime.now() + .seconds(30)
        for thread in threads { #expect(thread.join(until: deadline)) }
    }
}
