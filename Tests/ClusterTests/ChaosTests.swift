import ClusterKit
import JSON
import Platform
import Testing

/// Whatever happens to three nodes, one fault after the other, and clients go on writing.
@Suite(.cluster) struct ChaosTests {
    @Test(.timeLimit(.minutes(10)))
    func `after any faults the nodes end equal and nothing acknowledged is lost`() throws {
        let stage = try Stage()
        var random = SeededRandom.announced(for: "chaos")
        var all = WriteJournal()
        let endsAt = MonotonicTime.now() + .seconds(isFullRun ? 180 : 20)
        var round = 0
        while MonotonicTime.now() < endsAt {
            let writers = ParallelWriters(
                3, to: stage.primary.client, random: random.forked(round),
                pause: .milliseconds(5), label: "r\(round)")
            try writers.waitForAcknowledgements(10)
            let fault = Stage.Fault.random(&random)
            stage.tell("round \(round): \(fault)")
            try stage.inflict(fault)
            rest(.milliseconds(Int64(random.next() % 2500)))
            try stage.heal(fault)
            all.merge(try writers.finish())
            round += 1
        }
        try stage.primary.client.waitUntilInSync(within: 40)
        let comparison = try KeyComparison(stage.nodes, within: .seconds(30))
        #expect(comparison.differences == [], "\(stage.told)")
        for node in stage.nodes {
            let faults = try all.faults(at: node.client, namespace: "default")
            #expect(faults == [], "\(node.name) after \(stage.told)")
        }
        for replica in stage.nodes.dropFirst() {
            let expected = 1 + Int64(stage.readmissions[replica.name] ?? 0)
            #expect(try #require(replica.client.node().fullSyncs) <= expected, "\(stage.told)")
        }
    }
}

/// Three nodes that reach each other through proxies only.
private final class Stage {
    enum Fault {
        case kill(Int), stop(Int), standStill(Int), network(Int, FaultyProxy.Conduct), cut(Int)
        case remove(Int)

        static func random(_ random: inout SeededRandom) -> Fault {
            let any = Int(random.next() % 3)
            let replica = 1 + Int(random.next() % 2)
            switch random.next() % 10 {
            case 0, 1: return .kill(any)
            case 2: return .stop(any)
            case 3, 4: return .standStill(any)
            case 5: return .network(any, .frozen)
            case 6: return .network(any, FaultyProxy.Conduct(toClient: .dropped))
            case 7:
                return .network(
                    any, FaultyProxy.Conduct(toClient: .limited(bytesPerSecond: 20_000)))
            case 8: return .cut(any)
            default: return .remove(replica)
            }
        }
    }

    let cluster: TestCluster
    private var proxies: [FaultyProxy] = []
    private(set) var told: [String] = []
    private(set) var readmissions: [String: Int] = [:]

    var nodes: [ConvoyProcess] { cluster.nodes }
    var primary: ConvoyProcess { cluster.primary }

    init() throws {
        cluster = try TestCluster(empty: [])
        for _ in 0..<3 {
            let port = try FreePort.take()
            let proxy = try FaultyProxy(to: port)
            proxies.append(proxy)
            let node = try cluster.start(cluster.makeNode(port: port, address: proxy.address))
            if cluster.nodes.count > 1 { try cluster.takeIn(node) }
        }
    }

    func tell(_ sentence: String) { told.append(sentence) }

    func inflict(_ fault: Fault) throws {
        switch fault {
        case .kill(let number): nodes[number].kill()
        case .stop(let number): try nodes[number].stop()
        case .standStill(let number): nodes[number].pause()
        case .network(let number, let conduct): proxies[number].conduct = conduct
        case .cut(let number): proxies[number].cut()
        case .remove(let number):
            _ = try primary.client.delete("/v1/nodes/\(nodes[number].name)").expecting(200)
        }
    }

    func heal(_ fault: Fault) throws {
        switch fault {
        case .kill(0), .stop(0): try primary.start()
        case .kill(let number), .stop(let number): try nodes[number].start(until: .alive)
        case .standStill(let number): nodes[number].resume()
        case .network(let number, _): proxies[number].conduct = .healthy
        case .cut: break
        case .remove(let number):
            let node = nodes[number]
            readmissions[node.name, default: 0] += 1
            let operation = try cluster.beginTakingIn(node)
            try primary.client.waitUntilDone(operation)
        }
    }
}
