import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// Incidents, as they would be told afterwards: of failovers.
@Suite struct FailoverIncidentTests {
    @Test(arguments: UInt64(0)..<10)
    func `of two failovers on two candidates at once one wins, and both agree on it`(
        seed: UInt64
    ) throws {
        var cluster = try Cluster(seed: seed, Cluster.Plan(nodes: 5))
        defer { cluster.world.close() }
        try cluster.write(20, to: cluster[1])
        cluster[1].kill()
        cluster[2].failOver(acceptsDataLoss: true)
        cluster[3].failOver(acceptsDataLoss: true)
        try cluster.world.run(.seconds(2))
        cluster[1].start()
        try cluster.settle()
        try cluster.write(5, to: try cluster.newPrimary())
        try cluster.settle()
        try cluster.judge()
    }

    @Test(arguments: [CrashPoint.promised, .promisesCollected, .reignAppended])
    func `a candidate dies after the promises, and the cluster gets a primary again`(
        point: CrashPoint
    ) throws {
        var cluster = try Cluster(seed: 11)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        cluster.world.armed = [(cluster[2].name, point)]
        cluster[2].failOver(acceptsDataLoss: true)
        try cluster.world.run(.seconds(3))
        #expect(!cluster[2].isUp)
        try cluster.world.run(.seconds(5))
        cluster[2].start()
        let primary = try cluster.newPrimary()
        try cluster.write(10, to: primary)
        try cluster.settle()
        try cluster.judge()
    }

    /// With `min_in_sync_replicas` 1, two promises of three nodes are exclusive.
    @Test(arguments: UInt64(0)..<10)
    func `an exclusive failover loses nothing that was acknowledged`(seed: UInt64) throws {
        var cluster = try Cluster(seed: seed, Cluster.Plan(minInSync: 1))
        defer { cluster.world.close() }
        cluster.world.network.weather = .foul
        try cluster.write(60, to: cluster[1])
        cluster[1].kill()
        cluster.world.network.weather = .fair
        cluster[2].failOver(acceptsDataLoss: false)
        let primary = try cluster.newPrimary(after: cluster[1])
        try cluster.write(10, to: primary)
        cluster[1].start()
        try cluster.settle()
        #expect(cluster.world.watch.acked.count > 10)
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    /// n1 wrote alone, and more than the others since: its log is longer, and its reign is lower.
    @Test
    func `a candidate with a longer log of a lower reign loses nothing that was acknowledged`()
        throws
    {
        var cluster = try Cluster(seed: 12, Cluster.Plan(minInSync: 1))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        cluster.isolate(cluster[1])
        try cluster.write(60, to: cluster[1])
        cluster[2].failOver(acceptsDataLoss: false)
        _ = try cluster.world.run(atMost: .seconds(10)) { cluster[2].reign != nil }
        try cluster.world.run(.seconds(2))
        try cluster.write(10, to: cluster[2])
        try cluster.settleWithout(cluster[1])
        let acked = try #require(cluster.world.watch.acked.last)
        cluster.world.network.healAll()
        // It has heard of the other reign, and not begun to follow it.
        _ = try cluster.world.run(atMost: .seconds(10)) { cluster[1].reign == nil }
        cluster[1].failOver(acceptsDataLoss: false)
        #expect(cluster[1].failover != nil)
        try cluster.world.run(.seconds(2))
        try cluster.settle()
        #expect(cluster.world.watch.excuses.isEmpty)
        #expect(Watch.has(try #require(cluster.primary?.store).state, acked.position))
        try cluster.judge()
    }

    /// n1 starts on its own, twice, so that its term is above that of the failover that it missed.
    @Test func `a former primary that starts alone opens no reign beside an exclusive failover`()
        throws
    {
        var cluster = try Cluster(seed: 13, Cluster.Plan(minInSync: 1))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        cluster[1].kill()
        cluster[2].failOver(acceptsDataLoss: false)
        let primary = try cluster.newPrimary(after: cluster[1])
        try cluster.world.run(.seconds(2))
        try cluster.write(10, to: primary)
        try cluster.settleWithout(cluster[1])
        cluster.isolate(cluster[1])
        for _ in 0..<2 {
            cluster[1].start()
            try cluster.world.run(.seconds(15))
            cluster[1].kill()
        }
        cluster[1].start()
        try cluster.world.run(.seconds(15))
        cluster.world.network.healAll()
        try cluster.settle()
        let last = try #require(cluster.world.watch.acked.last)
        let state = try #require(cluster.primary?.store).state
        #expect(Watch.has(state, last.position), "it was acknowledged by a replica")
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    /// n2 was cut off when n3 was added, and is promoted when nobody else is left: by the topology
    /// that it knows its own promise is exclusive.
    @Test func `what only a node had that the candidate never heard of was not acknowledged`()
        throws
    {
        var cluster = try Cluster(seed: 15, Cluster.Plan(nodes: 2, minInSync: 1))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        cluster.isolate(cluster[2])
        let newcomer = try cluster.newcomer(3)
        cluster.world.network.cut(cluster[2], newcomer)
        cluster.world.network.cut(newcomer, cluster[2])
        cluster.add(newcomer, to: cluster[1])
        _ = try cluster.world.run(atMost: .seconds(10)) {
            newcomer.position == cluster[1].position
        }
        let before = cluster.world.watch.acked.count
        try cluster.write(20, to: cluster[1])
        try cluster.world.run(.seconds(2))
        #expect(newcomer.position == cluster[1].position)
        #expect(cluster.world.watch.acked.count == before)
        cluster[1].kill()
        newcomer.kill()
        cluster[2].failOver(acceptsDataLoss: false)
        let primary = try cluster.newPrimary(after: cluster[1])
        #expect(primary === cluster[2])
        cluster.world.network.healAll()
        cluster[1].start()
        newcomer.start()
        try cluster.world.run(.seconds(5))
        try cluster.settle()
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    @Test func `writes are answered again when the cut replica has heard of the new node`()
        throws
    {
        var cluster = try Cluster(seed: 16, Cluster.Plan(nodes: 2, minInSync: 1))
        defer { cluster.world.close() }
        cluster.isolate(cluster[2])
        cluster.add(try cluster.newcomer(3), to: cluster[1])
        try cluster.world.run(.seconds(3))
        let before = cluster.world.watch.acked.count
        try cluster.write(10, to: cluster[1])
        #expect(cluster.world.watch.acked.count == before)
        cluster.world.network.healAll()
        try cluster.settle()
        // Until n2 has said what it has applied, and that was written down.
        try cluster.world.run(.seconds(3))
        let heard = cluster.world.watch.acked.count
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        #expect(cluster.world.watch.acked.count == heard + 10)
        let generation = cluster[1].document?.generation
        #expect(cluster[1].store?.state.heardGeneration == generation, "for the primaries to come")
        try cluster.judge()
    }

    @Test func `terms change in the middle of a full sync, and its replica ends equal`() throws {
        var cluster = try Cluster(seed: 14, Cluster.Plan(nodes: 4))
        defer { cluster.world.close() }
        cluster[3].kill()
        try cluster.write(40, to: cluster[1])
        try cluster.settleWithout(cluster[3])
        for node in [cluster[1], cluster[2]] {
            node.forgetLog()
        }
        cluster[3].start()
        for candidate in [cluster[2], cluster[4], cluster[1]] {
            try cluster.world.run(atMost: .seconds(20)) {
                if case .fullSync = cluster[3].session?.machine.state { true } else { false }
            }
            let old = cluster.primary
            candidate.failOver(acceptsDataLoss: true)
            let primary = try cluster.newPrimary(after: old)
            try cluster.write(10, to: primary)
        }
        try cluster.settle()
        try cluster.judge()
    }

    @Test func `clocks that differ by an hour change nothing`() throws {
        var cluster = try Cluster(seed: 15)
        defer { cluster.world.close() }
        cluster[2].clockOffset = .seconds(3600)
        cluster[3].clockOffset = .seconds(-3600)
        for candidate in [2, 3, 1, 2] as [UInt16] {
            let old = cluster.primary
            try cluster.write(10, to: try #require(old))
            try cluster.settle()
            cluster[candidate].failOver(acceptsDataLoss: false)
            _ = try cluster.newPrimary(after: old)
            try cluster.settle()
        }
        let times = try #require(cluster[1].store).state.history.map(\.time)
        #expect(times == times.sorted())
        #expect(cluster.world.watch.count.divergences == 0)
        try cluster.judge()
    }
}
