import Log
import Platform
import Topology

@testable import Node

/// Random faults and operators, until they stop.
final class Chaos {
    private let cluster: Cluster
    private var world: World { cluster.world }
    private var isOver = false
    private var writes: UInt64 = 1 << 32
    private let acts: [Act]

    enum Act: CaseIterable {
        case kill, powerCut, stop
        case cutOneWay, isolate, foulWeather, fairWeather
        case carefulFailover, forcedFailover, twoFailovers, switchover
        case claim, move, remove, readd
        case trim
        case takeNewcomerIn
    }

    private static let nodesMax = 7

    init(_ cluster: Cluster, acts: [Act] = Act.allCases) {
        self.cluster = cluster
        self.acts = acts
    }

    /// Lets the world go wrong for `duration`, then stops all faults and starts every node.
    func run(_ duration: Duration) throws {
        write()
        act()
        try world.run(duration)
        isOver = true
        world.log("all faults are over")
        world.network.healAll()
        world.settings.crashPerMille = 0
        for node in cluster.nodes {
            // The operator agrees to whatever it takes.
            node.discarding = Set((1...100).map { NodeNumber(rawValue: $0) })
            node.start()
        }
        heed()
    }

    /// An operator does what a former primary asks for that cannot take what it lacks.
    private func heed() {
        for node in cluster.nodes {
            guard let name = node.lacksTailOf else { continue }
            cluster.nodes.first { $0.name == name }?.failOver(acceptsDataLoss: false)
        }
        world.after(.seconds(5)) { [self] in heed() }
    }

    private func random<Value>(_ values: [Value]) -> Value? {
        values.randomElement(using: &world.random)
    }

    private func pause(_ range: ClosedRange<Int64>) -> Duration {
        .milliseconds(Int64.random(in: range, using: &world.random))
    }

    /// Clients write to whoever takes it.
    private func write() {
        for node in cluster.nodes where node.reign != nil {
            writes += 1
            node.write(writes)
        }
        world.after(pause(15...60)) { [self] in if !isOver { write() } }
    }

    private func act() {
        if let act = random(acts), let node = random(cluster.nodes) { perform(act, node) }
        world.after(pause(50...1_200)) { [self] in if !isOver { act() } }
    }

    private func later(_ range: ClosedRange<Int64>, _ body: @escaping () -> Void) {
        world.after(pause(range)) { [self] in if !isOver { body() } }
    }

    private func perform(_ act: Act, _ node: SimNode) {
        switch act {
        case .kill:
            node.kill()
            later(100...4_000) { node.start() }
        case .powerCut:
            node.losePower()
            later(500...5_000) { node.start() }
        case .stop:
            node.stop()
            later(100...3_000) { node.start() }
        case .cutOneWay:
            guard let other = random(cluster.nodes), other !== node else { return }
            world.log("\(node.name) → \(other.name) is cut")
            world.network.cut(node, other)
            later(500...6_000) { [world] in world.network.heal(node, other) }
        case .isolate:
            world.log("\(node.name) is cut off")
            for other in cluster.nodes {
                world.network.cut(node, other)
                world.network.cut(other, node)
            }
            later(500...8_000) { [self] in
                world.log("\(node.name) is back on the network")
                for other in cluster.nodes {
                    world.network.heal(node, other)
                    world.network.heal(other, node)
                }
            }
        case .foulWeather: world.network.weather = .foul
        case .fairWeather: world.network.weather = .fair
        case .carefulFailover: node.failOver(acceptsDataLoss: false)
        case .forcedFailover: node.failOver(acceptsDataLoss: true)
        case .twoFailovers:
            for node in cluster.nodes.shuffled(using: &world.random).prefix(2) {
                node.failOver(acceptsDataLoss: world.random.isLucky(50))
            }
        case .switchover:
            for primary in cluster.nodes where primary.reign != nil {
                primary.switchOver(to: node)
            }
        case .claim:
            // Two at once can make a ring, which only whoever made it can undo.
            guard let other = random(cluster.nodes), let document = node.document,
                let number = node.facts.number, let upstream = other.facts.number,
                !document.subtree(of: number).contains(upstream),
                !cluster.nodes.contains(where: { $0.facts.claim != nil })
            else { return }
            node.claim(other)
        case .move, .remove, .readd: changeTopology(act, node)
        case .trim: node.trim()
        case .takeNewcomerIn:
            let count = cluster.nodes.count
            guard count < Chaos.nodesMax, let primary = cluster.primary,
                let newcomer = try? cluster.newcomer(UInt16(count + 1))
            else { return }
            cluster.add(newcomer, to: primary)
        }
    }

    private func changeTopology(_ act: Act, _ node: SimNode) {
        guard let primary = cluster.primary, let document = primary.store?.state.document,
            primary !== node
        else { return }
        let record = document.node(named: node.name)
        switch act {
        case .move:
            guard let record,
                let upstream = random(document.replicas.map(\.node) + [document.primary])
            else { return }
            primary.change { document, note in
                document.updating(record.number, upstream: upstream, note: note)
            }
        case .remove:
            guard let record, document.replicas.count > max(1, document.minInSyncReplicas) else {
                return
            }
            world.watch.excuse("\(node.name) was removed")
            primary.change { document, note in document.removing(record.number, note: note) }
            later(2_000...6_000) { [self] in changeTopology(.readd, node) }
        default:
            guard record == nil else { return }
            cluster.add(node, to: primary)
        }
    }
}
