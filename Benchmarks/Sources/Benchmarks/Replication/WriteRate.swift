import ClusterKit

/// The primary's write rate with no, one and two replicas. Three clusters stand side by side and are
/// loaded in turn, three times; medians.
enum WriteRate {
    private static let rounds = 3
    private static let seconds = 10
    private static let budget = 0.85

    static func run() throws {
        let clusters = try (0...2).map { try TestCluster(nodes: $0 + 1) }
        // What is new costs more than what is overwritten: all begin with the same keys, about.
        for cluster in clusters { try load(cluster, seconds: seconds) }

        var results = [[WriteLoad.Result]](repeating: [], count: clusters.count)
        for _ in 0..<rounds {
            for (replicas, cluster) in clusters.enumerated() {
                results[replicas].append(try load(cluster, seconds: seconds))
            }
        }
        let rates = results.map { median($0.map(\.rate)) }
        let costs = results.map { median($0.map(\.microsecondsPerWrite)) }
        for replicas in 0...2 {
            let rate = rates[replicas] / rates[0]
            let cost = costs[0] / costs[replicas]
            say(
                "\(replicas) replicas: \(rounded(rates[replicas])) writes/s, \(rounded(rate, 2)) × without (budget \(budget)); \(rounded(costs[replicas], 1)) µs of the processor a write, so \(rounded(cost, 2)) × if the replicas had cores of their own"
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

    private static func median(_ numbers: [Double]) -> Double {
        numbers.sorted()[numbers.count / 2]
    }
}
