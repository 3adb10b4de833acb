// Symptom (kvrocks#3356): a slow consumer blocks the sender for hours. And what a primary keeps for each
// replica that is behind grows until the memory is gone.

import ClusterKit
import Glibc
import JSON
import Platform
import Testing

/// A replica that falls behind slows no writer, and costs the primary no memory: the log is the queue.
@Suite(.cluster) struct SlowReplicaTests {
    enum Slowness: String, CaseIterable, CustomTestStringConvertible {
        /// It runs a twentieth of the time, so its disk and its processor are as slow.
        case halting
        /// What it is sent comes by at 200 kB/s.
        case network

        var testDescription: String { rawValue }
    }

    /// Test D, step 5 and what follows from it: with the replica slow and well in turns, in one run.
    @Test(.serialized, .timeLimit(.minutes(8)), arguments: Slowness.allCases)
    func `a replica that is slow slows no writer and costs the primary no memory`(
        slowness: Slowness
    ) throws {
        let scene = try SlowReplica(slowness)
        let (primary, replica) = (scene.primary, scene.replica)
        // What every process needs once is not what is looked for.
        _ = try scene.write()
        try primary.client.waitUntilInSync()

        var (well, slow): ([Double], [Double]) = ([], [])
        var (growth, lagMax) = (0, Int64(0))
        func isShown() -> Bool {
            lagMax > 20 && slow.max() ?? 0 > (well.max() ?? 0) / 3
        }
        // More often where the machine did other things meanwhile: who waits does so each time.
        let rounds = isFullRun ? 5 : 2
        for round in 0..<(rounds + 8) {
            if round >= rounds, isShown() { break }
            well.append(try scene.write().perSecond)
            try primary.client.waitUntilInSync(within: 60)
            let before = try primary.residentBytes()
            scene.begin()
            let written = try scene.write()
            slow.append(written.perSecond)
            lagMax = max(lagMax, written.lagMax)
            growth = max(growth, try primary.residentBytes() - before)
            scene.end()
            try primary.client.waitUntilInSync(within: 60)
        }
        let (wellBest, slowBest) = (well.max() ?? 0, slow.max() ?? 0)
        print(
            "\(slowness): \(Int(wellBest)) writes/s beside a replica that is well, \(Int(slowBest)) beside a slow one; the primary grew by \(growth >> 20) MiB"
        )
        #expect(lagMax > 20, "it fell behind: \(lagMax) entries")
        #expect(slowBest > wellBest / 3, "no writer waits: \(slow) instead of \(well)")
        // Written meanwhile, and not sent, are some 100 MB in the full run.
        #expect(growth < 64 << 20, "the log is the queue: \(growth) bytes")
        #expect(try KeyComparison(scene.cluster.nodes, within: .seconds(60)).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }

    /// Test D, step 5: what is kept for a replica that takes nothing has a limit, and the limit is shown.
    @Test(.timeLimit(.minutes(4)))
    func `what is kept for a replica that stands still is bounded and shown`() throws {
        let limit = 4 << 20
        let cluster = try TestCluster(
            nodes: 2,
            flags: [
                "--log-segment-bytes", "262144", "--log-retention-bytes", "0",
                "--log-retention-max-bytes", "\(limit)",
            ])
        let (primary, replica) = (cluster.primary, cluster[1])
        replica.pause()
        let value = SeededRandom.block(1, 64 << 10)
        _ = try primary.client.put(Path.key("k"), value).expecting(201)
        let link = try poll(within: .seconds(8), for: "how long it has is shown") {
            let link = try primary.client.link(from: "n1", to: "n2")
            return link?["headroom_seconds"]?.numberValue == nil ? nil : link
        }
        #expect(link["lag"]?["bytes"]?.integerValue ?? 0 > 0, "\(link)")
        for number in 0..<40 {
            _ = try primary.client.put(Path.key("k\(number)"), value).expecting(201)
        }
        let kept = try primary.client.get("/v1/sync")["log"]?["bytes"]?.integerValue ?? 0
        #expect(kept > 40 * 64 << 10, "all of it is kept for the replica: \(kept) bytes")
        replica.resume()
        try primary.client.waitUntilInSync()
        #expect(try replica.client.node().fullSyncs == 1, "within the limit it needs no full sync")
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }
}

/// A primary and one replica that can be slowed down.
private final class SlowReplica: Sendable {
    let cluster: TestCluster
    private let slowness: SlowReplicaTests.Slowness
    private let proxy: FaultyProxy
    private let isHalting = Monitor(false)
    private let isOver = Monitor(false)
    /// How long one measurement takes.
    private let turn: Duration = isFullRun ? .seconds(5) : .seconds(1)

    var primary: ConvoyProcess { cluster[0] }
    var replica: ConvoyProcess { cluster[1] }

    init(_ slowness: SlowReplicaTests.Slowness) throws {
        self.slowness = slowness
        cluster = try TestCluster(empty: [])
        let made = try cluster.makeNodeBehindProxy()
        proxy = made.proxy
        try made.node.start()
        let flags = slowness == .halting ? ["--sync", "always"] : []
        let replica = try cluster.addReplica(flags: flags)
        let (isHalting, isOver) = (self.isHalting, self.isOver)
        _ = WorkerThread(name: "halting") {
            while !isOver.withLock({ $0 }) {
                if isHalting.withLock({ $0 }) { replica.pause() }
                rest(.milliseconds(190))
                replica.resume()
                rest(.milliseconds(10))
            }
        }
    }

    deinit { isOver.update { $0 = true } }

    func begin() {
        switch slowness {
        case .halting: isHalting.update { $0 = true }
        case .network: proxy.conduct.toClient = .limited(bytesPerSecond: 200_000)
        }
    }

    func end() {
        isHalting.update { $0 = false }
        proxy.conduct = .healthy
    }

    /// Four clients write values of 4 KiB for a turn. Answers how many were answered in a second, and
    /// the most entries that the replica was behind.
    func write() throws -> (perSecond: Double, lagMax: Int64) {
        let result = Monitor((count: 0, lagMax: Int64(0)))
        let (client, turn) = (primary.client, self.turn)
        let value = SeededRandom.block(1, 4096)
        let start = MonotonicTime.now()
        try Parallel.run(5) { [self] number in
            var own = 0
            while MonotonicTime.now() - start < turn {
                if number == 4 {
                    let lag = try entriesBehind()
                    result.update { $0.lagMax = max($0.lagMax, lag) }
                    rest(.milliseconds(50))
                } else {
                    let key = Path.key("w\(number)-\(own % 200)")
                    _ = try client.put(key, value).expecting(201, 204)
                    own += 1
                }
            }
            result.update { [own] in $0.count += own }
        }
        let (count, lagMax) = result.withLock { $0 }
        return (Double(count) / (MonotonicTime.now() - start).inSeconds, lagMax)
    }

    private func entriesBehind() throws -> Int64 {
        let own = try primary.client.node().position?.index ?? 0
        let acked = try primary.client.link(from: "n1", to: "n2")?["acked_index"]?.integerValue
        return acked.map { Int64(own) - $0 } ?? 0
    }
}
