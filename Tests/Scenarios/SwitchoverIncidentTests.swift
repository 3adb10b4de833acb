import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// Incidents, as they would be told afterwards: of planned switchovers.
@Suite struct SwitchoverIncidentTests {
    @Test(arguments: UInt64(0)..<10)
    func `a switchover under load loses nothing, and nobody takes a full sync`(
        seed: UInt64
    ) throws {
        var plan = Cluster.Plan(nodes: 4)
        plan.upstreams = [4: 2]
        var cluster = try Cluster(seed: seed, plan)
        defer { cluster.world.close() }
        let before = cluster.world.watch.count.fullSyncs
        for heir in [2, 4, 1, 3] as [UInt16] {
            let old = try #require(cluster.primary)
            try cluster.write(20, to: old)
            old.switchOver(to: cluster[heir])
            let new = try cluster.newPrimary(after: old)
            #expect(new === cluster[heir])
            try cluster.write(20, to: new)
            try cluster.settle()
        }
        #expect(cluster.world.watch.acked.count >= 160)
        #expect(cluster.world.watch.count.fullSyncs == before)
        #expect(cluster.world.watch.count.divergences == 0)
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    @Test(arguments: [CrashPoint.held, .heirReady, .handedOver], [0, 1])
    func `the primary dies at any step of a switchover`(point: CrashPoint, minInSync: Int) throws {
        var cluster = try Cluster(seed: 31, Cluster.Plan(minInSync: minInSync))
        defer { cluster.world.close() }
        try cluster.write(20, to: cluster[1])
        cluster.world.armed = [(cluster[1].name, point)]
        cluster[1].switchOver(to: cluster[2])
        try cluster.world.run(.seconds(3))
        #expect(!cluster[1].isUp)
        cluster[1].start()
        let primary = try cluster.newPrimary()
        try cluster.write(10, to: primary)
        try cluster.settle()
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    @Test(arguments: [CrashPoint.handoverApplied, .handoverTaken], [0, 1])
    func `the candidate dies at any step of a switchover`(
        point: CrashPoint, minInSync: Int
    ) throws {
        var cluster = try Cluster(seed: 32, Cluster.Plan(minInSync: minInSync))
        defer { cluster.world.close() }
        try cluster.write(20, to: cluster[1])
        try cluster.settle()
        cluster.world.armed = [(cluster[2].name, point)]
        cluster[1].switchOver(to: cluster[2])
        try cluster.world.run(.seconds(3))
        #expect(!cluster[2].isUp)
        #expect(cluster.primary == nil, "what was handed over comes back to nobody by itself")
        cluster[2].start()
        let primary = try cluster.newPrimary()
        #expect(primary === cluster[2])
        try cluster.write(10, to: primary)
        try cluster.settle()
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    /// The handover was in the page cache of both machines alone when the power went.
    @Test(arguments: UInt64(0)..<10)
    func `both ends of a switchover lose their power at its worst moment`(seed: UInt64) throws {
        var plan = Cluster.Plan(minInSync: 1)
        plan.settings.policy = .interval
        var cluster = try Cluster(seed: seed, plan)
        defer { cluster.world.close() }
        try cluster.write(30, to: cluster[1])
        try cluster.settle()
        cluster[1].switchOver(to: cluster[2])
        _ = try cluster.world.run(atMost: .seconds(5)) { cluster[1].reign == nil }
        cluster[1].losePower()
        cluster[2].losePower()
        try cluster.world.run(.seconds(1))
        cluster[1].start()
        cluster[2].start()
        let primary = try cluster.newPrimary()
        try cluster.write(10, to: primary)
        try cluster.settle()
        try cluster.judge()
    }

    @Test func `a candidate that is cut off keeps nobody from writing`() throws {
        var cluster = try Cluster(seed: 33)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        cluster.isolate(cluster[2])
        try cluster.write(5, to: cluster[1])
        cluster[1].switchOver(to: cluster[2])
        try cluster.world.run(.seconds(6))
        #expect(cluster[1].reign != nil)
        let before = cluster.world.watch.acked.count
        try cluster.write(10, to: cluster[1])
        #expect(cluster.world.watch.acked.count == before + 10)
        cluster.world.network.healAll()
        try cluster.settle()
        try cluster.judge()
    }
}
