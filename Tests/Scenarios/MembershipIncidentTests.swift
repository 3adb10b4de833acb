import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// Incidents, as they would be told afterwards: of who follows whom.
@Suite struct MembershipIncidentTests {
    @Test func `a detached node that was promoted alone gives up its fork when it comes back`()
        throws
    {
        var cluster = try Cluster(seed: 21)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        let number = try #require(cluster[3].facts.number)
        cluster[1].change { $0.removing(number, note: $1) }
        try cluster.world.run(.seconds(3))
        cluster[3].failOver(acceptsDataLoss: false)
        try cluster.write(7, to: cluster[3])
        #expect(cluster[3].facts.lineage != cluster.lineage)
        // It meets its old cluster, and nothing happens to either.
        try cluster.write(9, to: cluster[1])
        try cluster.settleWithout(cluster[3])
        #expect(cluster[3].reign != nil && cluster.primary === cluster[1])
        cluster.add(cluster[3], to: cluster[1])
        try cluster.settle()
        // The entry that forked, and seven writes.
        #expect(cluster[3].diverged.count == 8)
        #expect(cluster[3].facts.lineage == cluster.lineage)
        try cluster.judge()
    }

    /// n1 dies before it has come to take n4 and n5 in, whose promises it needs when it is back.
    @Test func `a former primary takes in whom it had not come to take in, and reigns again`()
        throws
    {
        var cluster = try Cluster(seed: 26, Cluster.Plan(minInSync: 1))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        let newcomers = [try cluster.newcomer(4), try cluster.newcomer(5)]
        for newcomer in newcomers {
            for node in cluster.nodes where node !== newcomer {
                cluster.world.network.cut(node, newcomer)
                cluster.world.network.cut(newcomer, node)
            }
            cluster.add(newcomer, to: cluster[1])
        }
        try cluster.world.run(.seconds(2))
        cluster[1].kill()
        cluster.world.network.healAll()
        cluster[1].start()
        let primary = try cluster.newPrimary()
        #expect(primary === cluster[1])
        try cluster.settle()
        #expect(cluster.world.watch.excuses.isEmpty)
        try cluster.judge()
    }

    @Test func `a replica that is ahead of its replica upstream waits for it`() throws {
        var cluster = try Cluster(seed: 22)
        defer { cluster.world.close() }
        let synced = cluster.world.watch.count.fullSyncs
        cluster.world.network.cut(cluster[1], cluster[2])
        try cluster.write(20, to: cluster[1])
        try cluster.world.run(.milliseconds(50))
        #expect(cluster[3].position.index > cluster[2].position.index)
        cluster[3].claim(cluster[2])
        try cluster.world.run(.seconds(5))
        #expect(cluster[3].session?.machine.lastError?.code == "upstream-behind")
        cluster.world.network.healAll()
        try cluster.settle()
        #expect(cluster[3].session?.upstream.name == cluster[2].name)
        #expect(cluster.world.watch.count.fullSyncs == synced)
        try cluster.judge()
    }

    @Test func `the children of a removed upstream follow its upstream, without a full sync`()
        throws
    {
        var cluster = try Cluster(seed: 23, Cluster.Plan(nodes: 4, upstreams: [3: 2, 4: 3]))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        let synced = cluster.world.watch.count.fullSyncs
        cluster[2].kill()
        let number = try #require(cluster[2].facts.number)
        cluster[1].change { $0.removing(number, note: $1) }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        #expect(cluster[3].session?.upstream.name == cluster[1].name)
        #expect(cluster[4].session?.upstream.name == cluster[3].name)
        #expect(cluster.world.watch.count.fullSyncs == synced)
        // The removed one comes back, is refused, and believes it.
        cluster[2].start()
        try cluster.world.run(.seconds(10))
        let document = try #require(cluster[2].document)
        #expect(document.role(of: number) == nil && cluster[2].session == nil)
        try cluster.judge()
    }

    @Test func `doubled and reordered pieces of a stream cost attempts, and no entry`() throws {
        var cluster = try Cluster(seed: 24)
        defer { cluster.world.close() }
        let synced = cluster.world.watch.count.fullSyncs
        cluster.world.network.weather = SimNetwork.Weather(
            lossPercent: 3, doublingPercent: 20, reorderPercent: 20, slowPercent: 5)
        try cluster.write(400, to: cluster[1])
        #expect(cluster.world.network.doubled > 50)
        cluster.world.network.healAll()
        try cluster.settle()
        #expect(cluster.world.watch.count.fullSyncs == synced)
        try cluster.judge()
    }

    /// Its upstream had taken a full sync itself, so its log began behind both histories.
    @Test func `what only one node has is kept also when the upstream's log does not reach back`()
        throws
    {
        var cluster = try Cluster(seed: 25)
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        cluster.isolate(cluster[1])
        try cluster.write(5, to: cluster[1])
        cluster[1].kill()
        cluster[2].failOver(acceptsDataLoss: true)
        let primary = try cluster.newPrimary(after: cluster[1])
        try cluster.write(30, to: primary)
        primary.forgetLog()
        cluster.world.network.healAll()
        cluster[1].start()
        try cluster.settle()
        #expect(cluster[1].diverged.count == 5)
        try cluster.judge()
    }

    /// n3 knows a higher reign, and its upstream not yet: it must not go back to what was left.
    @Test func `nobody is synced back to a history that it has left`() throws {
        var cluster = try Cluster(seed: 26, Cluster.Plan(nodes: 4))
        defer { cluster.world.close() }
        try cluster.write(10, to: cluster[1])
        try cluster.settle()
        // n3 and n4 miss what n1 and n2 have; n4 reigns over n3 only.
        for one in [cluster[1], cluster[2]] {
            for other in [cluster[3], cluster[4]] {
                cluster.world.network.cut(one, other)
                cluster.world.network.cut(other, one)
            }
        }
        try cluster.write(60, to: cluster[1])
        try cluster.world.run(.seconds(1))
        cluster[2].forgetLog()
        cluster[4].failOver(acceptsDataLoss: true)
        try cluster.world.run(.seconds(6))
        let reign = try #require(cluster[3].store).state.reign
        #expect(reign.holder == cluster[4].facts.number)
        cluster.world.network.heal(cluster[3], cluster[2])
        cluster.world.network.heal(cluster[2], cluster[3])
        cluster[3].claim(cluster[2])
        try cluster.world.run(.seconds(3))
        #expect(try #require(cluster[3].store).state.reign >= reign)
        cluster.world.network.healAll()
        try cluster.settle()
        try cluster.judge()
    }
}
