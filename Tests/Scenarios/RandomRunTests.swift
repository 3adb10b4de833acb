import Glibc
import Log
import Platform
import Testing
import Topology

/// Random faults, and operators in the middle of them. A seed gives the same run, always.
///
/// `CONVOY_FULL=1` runs thousands of seeds, `CONVOY_SEED=n` that one.
@Suite struct RandomRunTests {
    static let seeds: [UInt64] = {
        func variable(_ name: String) -> UInt64? {
            getenv(name).flatMap { UInt64(String(cString: $0)) }
        }
        if let one = variable("CONVOY_SEED") { return [one] }
        return Array(0..<(variable("CONVOY_FULL") == 1 ? 2_000 : 50))
    }()

    /// What kind of a cluster, on what kind of a day.
    private static func plan(_ seed: UInt64) -> (Cluster.Plan, [Chaos.Act]) {
        var random = SplitMix64(seed: seed ^ 0x5EED)
        var plan = Cluster.Plan()
        plan.nodes = Int.random(in: 2...5, using: &random)
        plan.minInSync = Int.random(in: 0...min(2, plan.nodes - 1), using: &random)
        plan.settings.policy = random.isLucky(50) ? .always : .interval
        plan.settings.flushPercent = Int.random(in: 1...60, using: &random)
        plan.settings.crashPerMille = random.isLucky(50) ? 2 : 0
        if plan.nodes > 3, random.isLucky(50) { plan.upstreams = [4: 2] }
        let acts = Chaos.Act.allCases.filter { _ in random.isLucky(60) }
        return (plan, acts)
    }

    @Test(arguments: seeds)
    func `whatever happens, the replicas end equal and nothing acknowledged is lost unsaid`(
        seed: UInt64
    ) throws {
        let (plan, acts) = Self.plan(seed)
        var cluster = try Cluster(seed: seed, plan)
        defer { cluster.world.close() }
        do {
            try Chaos(cluster, acts: acts).run(.seconds(25))
            try cluster.settle(atMost: .seconds(120))
            let primary = try #require(cluster.primary)
            try cluster.write(5, to: primary)
            try cluster.settle()
            try cluster.judge()
        } catch let broken as Broken {
            Issue.record("\(broken)\n\(cluster.summary)\n\(cluster.world.tail())")
        }
    }
}
