import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// Incidents, as they would be told afterwards. Each ends with every replica equal to the primary.
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
    }
}
