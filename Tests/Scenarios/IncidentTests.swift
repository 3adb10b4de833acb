import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// Incidents, as they would be told afterwards: of restarts and of power cuts.
@Suite struct IncidentTests {
    @Test func `a replica that was killed takes what it missed, and nothing else`() throws {
        var cluster = try Cluster(seed: 1)
        defer { cluster.world.close() }
        try cluster.write(20, to: cluster[1])
        cluster[2].kill()
        try cluster.write(20, to: cluster[1])
        let synced = cluster.world.watch.count.fullSyncs
        cluster[2].start()
        try cluster.settle()
        #expect(cluster.world.watch.count.fullSyncs == synced)
        try cluster.judge()
    }

    @Test func `a process that dies between the log and the state applies the entry as it starts`()
        throws
    {
        var cluster = try Cluster(seed: 2)
        defer { cluster.world.close() }
        cluster.world.armed = [(cluster[1].name, .appended), (cluster[2].name, .appended)]
        try cluster.write(3, to: cluster[1])
        #expect(!cluster[1].isUp)
        let store = try #require(cluster[1].store)
        #expect(store.log.last.index == store.state.position.index.next)
        cluster[1].start()
        try cluster.world.run(.seconds(5))
        try cluster.write(3, to: cluster[1])
        #expect(!cluster[2].isUp)
        cluster[2].start()
        try cluster.settle()
        try cluster.judge()
    }

    /// The page cache is gone, and with it entries that a replica has applied already.
    @Test func `after a power cut the primary takes back from its replica what it has lost`() throws
    {
        var cluster = try Cluster(seed: 3)
        defer { cluster.world.close() }
        cluster.world.settings.flushPercent = 0
        try cluster.world.run(.seconds(3))
        try cluster.write(40, to: cluster[1], pause: .milliseconds(3))
        try cluster.world.run(.milliseconds(15))
        let before = cluster[1].position
        let synced = cluster.world.watch.count.fullSyncs
        cluster[1].losePower()
        let left = try #require(cluster[1].store).log.last.index
        #expect(left < before.index && cluster[2].position == before)
        cluster[1].start()
        let primary = try cluster.newPrimary()
        #expect(primary === cluster[1])
        try cluster.settle()
        #expect(Watch.has(try #require(primary.store).state, before))
        #expect(cluster.world.watch.count.fullSyncs == synced, "nobody is synced to less")
        try cluster.judge()
    }

    @Test func `after a power cut the state may be ahead of the log, and nothing is missing`()
        throws
    {
        var cluster = try Cluster(seed: 4)
        defer { cluster.world.close() }
        cluster.world.settings.flushPercent = 0
        cluster.isolate(cluster[3])
        try cluster.world.run(.seconds(3))
        try cluster.write(40, to: cluster[1], pause: .milliseconds(3))
        let before = cluster[1].position
        cluster[1].store?.flush()
        cluster[1].losePower()
        #expect(cluster.world.watch.count.aheadOfLog == 1)
        cluster[1].start()
        #expect(cluster[1].position == before)
        #expect(try #require(cluster[1].store).log.first == before.index.next)
        cluster.world.network.healAll()
        try cluster.settle()
        // What n3 missed is not in the log any more.
        #expect(cluster.world.watch.count.fullSyncs >= 3)
        try cluster.judge()
    }

    @Test func `a former primary that nobody answers waits, and says that it is unconfirmed`()
        throws
    {
        var cluster = try Cluster(seed: 5)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        cluster.isolate(cluster[1])
        cluster[1].losePower()
        cluster[1].start()
        try cluster.world.run(.seconds(9))
        #expect(cluster.primary == nil, "10 s are the time to recover")
        try cluster.world.run(.seconds(2))
        #expect(cluster.primary === cluster[1])
        cluster.world.network.healAll()
        try cluster.settle()
        try cluster.judge()
    }

    @Test func `a former primary opens a reign of its own, never the one that it held`() throws {
        var cluster = try Cluster(seed: 6)
        defer { cluster.world.close() }
        var reigns: [Reign] = []
        for _ in 0..<5 {
            try cluster.write(5, to: cluster[1])
            reigns.append(try #require(cluster[1].reign))
            cluster[1].kill()
            try cluster.world.run(.milliseconds(700))
            cluster[1].start()
            try cluster.settle()
        }
        #expect(reigns == reigns.sorted() && Set(reigns).count == 5)
        #expect(cluster.world.watch.count.fullSyncs == 2, "but the first of each replica, none")
        try cluster.judge()
    }

    @Test func `a former primary that was deposed follows, and its own tail is kept`() throws {
        var cluster = try Cluster(seed: 7)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        cluster.isolate(cluster[1])
        try cluster.write(3, to: cluster[1])
        cluster[1].kill()
        cluster[2].failOver(acceptsDataLoss: true)
        let primary = try cluster.newPrimary(after: cluster[1])
        try cluster.write(10, to: primary)
        cluster.world.network.healAll()
        cluster[1].start()
        try cluster.settle()
        #expect(cluster[1].diverged.count == 3)
        #expect(cluster.world.watch.count.divergences == 1)
        try cluster.judge()
    }

    /// It had a lower reign and a longer log, and nobody who could tell it so.
    @Test func `a longer log of an abandoned history does not hold up the former primary`() throws {
        var cluster = try Cluster(seed: 8)
        defer { cluster.world.close() }
        cluster.isolate(cluster[3])
        cluster.world.network.heal(cluster[1], cluster[3])
        cluster.world.network.heal(cluster[3], cluster[1])
        cluster.world.network.cut(cluster[1], cluster[2])
        try cluster.write(30, to: cluster[1])
        cluster[1].kill()
        cluster[3].kill()
        cluster[2].failOver(acceptsDataLoss: true)
        _ = try cluster.newPrimary(after: cluster[1])
        cluster[2].kill()
        cluster.world.network.healAll()
        cluster[3].start()
        cluster[2].start()
        #expect(cluster[3].position.index > cluster[2].position.index)
        cluster[1].start()
        try cluster.settle()
        #expect(cluster.primary === cluster[2])
        try cluster.judge()
    }
}
