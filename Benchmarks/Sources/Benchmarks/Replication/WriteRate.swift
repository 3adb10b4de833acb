import ClusterKit

/// The primary's write rate with no, one and two replicas. Three clusters stand side by side and are
/// loaded in turn, again and again. Ratios are taken within a round, so that what else the machine does
/// changes them little; medians, with the lowest and the highest.
enum WriteRate {
    private static let rounds = 7
    private static let seconds = 5
    private static let budget = 0.85

    static func run() throws {
        let clusters = try (0...2).map { try TestCluster(nodes: $0 + 1) }
        // What is new costs more than what is overwritten: all begin with the same keys, about.
        for cluster in clusters { try load(cluster, seconds: 2 * seconds) }

        let results = try (0..<rounds).map { _ in
            try clusters.map { try load($0, seconds: seconds) }
        }
        for replicas in 0...2 {
            let rates = results.map { $0[replicas].rate }.sorted()
            let ratios = results.map { $0[replicas].rate / $0[0].rate }.sorted()
            let costs = results.map { $0[replicas].microsecondsPerWrite }.sorted()
            let shares = results.map {
                $0[0].microsecondsPerWrite / $0[replicas].microsecondsPerWrite
            }.sorted()
            let middle = rounds / 2
            say(
                "\(replicas) replicas: \(rounded(rates[middle])) writes/s, \(rounded(ratios[middle], 2)) × without (\(rounded(ratios[0], 2)) to \(rounded(ratios[rounds - 1], 2)), budget \(budget)); \(rounded(costs[middle], 1)) µs of the processor a write, so \(rounded(shares[middle], 2)) × if the replicas had cores of their own (\(rounded(shares[0], 2)) to \(rounded(shares[rounds - 1], 2)))"
            )
        }
    }

    @discardableResult
    private static func load(_ cluster: TestCluster, seconds: Int) throws -> WriteLoad.Result {
        let result = try WriteLoad(on: cluster.primary, seconds: seconds).finish()
        // What is left to do for this cluster must not slow down the next one.
        try cluster.primary.client.waitUntilInSync(within: 60)
        rest(.seconds(1))
        return result
    }
}
