import ClusterKit
import JSON
import Platform
import Testing

/// Many wait, many follow, and a full sync runs: whoever asks for the state is answered at once.
@Suite(.cluster) struct CrowdTests {
    /// Of the data that is synced again, and how fast: the full sync outlasts the looks.
    private static let bytes = isFullRun ? 96 << 20 : 24 << 20
    private static let bytesPerSecond = 250_000
    /// Beside other tests on the same cores; alone, with the full sizes, it is what the budget says.
    private static let answerTimeMax: Duration = isFullRun ? .milliseconds(20) : .milliseconds(250)
    private static let percent = isFullRun ? 99 : 90
    private static let lookFor: Duration = isFullRun ? .seconds(15) : .seconds(4)

    @Test(.timeLimit(.minutes(5)))
    func `waiters and streams keep nobody waiting while a full sync runs`() throws {
        let cluster = try TestCluster()
        let primary = cluster.primary.client
        for number in 0..<CrowdTests.bytes >> 19 {
            _ = try primary.put(Path.key("k\(number)"), SeededRandom.block(number, 512 << 10))
                .expecting(201)
        }
        let replica = try cluster.addReplica().client
        let port = cluster.primary.port
        let waiters = try (0..<256).map { _ in
            try HeldRequest("/v1/nodes/self?wait=applied:99999999&timeout=300s", at: port)
        }
        let streams = try (0..<50).map { _ in
            try HeldRequest("/v1/events", at: port, headers: [("Accept", "text/event-stream")])
        }
        try poll(within: .seconds(20), for: "all of them are there") {
            let metrics = Exposition(try primary.get("/metrics").text)
            return metrics.value("convoy_waits") == 256
                && metrics.value("convoy_event_streams") == 50 ? true : nil
        }
        let refused = try primary.get("/v1/sync?wait=in_sync&timeout=1s")
        #expect(refused.status == 429 && refused.header("Retry-After") != nil, "\(refused)")

        _ = try replica.limitFullSync(CrowdTests.bytesPerSecond).expecting(200)
        _ = try primary.post("/v1/nodes/n2/resync").expecting(202)
        try poll(within: .seconds(20), for: "the full sync runs") {
            try replica.node().fullSyncBytesDone ?? 0 > 0 ? true : nil
        }
        let isOver = Monitor(false)
        let written = Monitor(0)
        let writer = WorkerThread(name: "writer") {
            // What is not answered shows in the count.
            while !isOver.withLock({ $0 }) {
                let answer = try? primary.put(Path.key("w"), [1])
                if answer?.status ?? 500 < 300 { written.update { $0 += 1 } }
                rest(.milliseconds(20))
            }
        }
        for (name, client) in [("primary", primary), ("replica", replica)] {
            for path in ["/livez", "/v1/sync"] {
                // What other work does to one look it does not do to three.
                var times: [Duration] = []
                repeat {
                    let probe = try LatencyProbe(
                        client, [path], perSecond: 200, for: CrowdTests.lookFor)
                    print(
                        "\(path) of the \(name): \(probe.times.count) answers, p50 "
                            + "\(probe.median), p99 \(probe.percentile(99)), longest "
                            + "\(probe.percentile(100))")
                    #expect(probe.failures == [])
                    times.append(probe.percentile(CrowdTests.percent))
                } while times.count < 3 && times.allSatisfy({ $0 >= CrowdTests.answerTimeMax })
                let isQuick = times.contains { $0 < CrowdTests.answerTimeMax }
                #expect(isQuick, "\(path) of \(name): \(times)")
            }
        }
        #expect(try replica.node().fullSyncBytesDone != nil, "it still runs")
        isOver.update { $0 = true }
        #expect(writer.join(until: .now() + .seconds(40)))
        #expect(written.withLock { $0 } > 50)
        #expect(waiters.allSatisfy { $0.isHeld })
        _ = try primary.createNamespace("told-to-all")
        for stream in streams {
            #expect(stream.received(until: "told-to-all").contains("told-to-all"))
        }
        _ = try replica.limitFullSync(nil).expecting(200)
        try poll(within: .seconds(60), for: "in sync") {
            try primary.get("/v1/sync")["in_sync"] == true ? true : nil
        }
    }
}
