import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// A simulated cluster: n1 is primary, the others are its replicas, in sync.
struct Cluster {
    let world: World
    let lineage: Lineage
    private(set) var writes: UInt64 = 0

    /// How the cluster is to begin.
    struct Plan {
        var nodes = 3
        var minInSync = 0
        /// Who follows another replica instead of the primary, by number.
        var upstreams: [UInt16: UInt16] = [:]
        var settings = World.Settings()
    }

    init(seed: UInt64, _ plan: Plan = Plan()) throws {
        world = World(seed: seed, settings: plan.settings)
        for number in 1...UInt16(plan.nodes) {
            let name = try #require(NodeName("n\(number)"))
            let address = try #require(NodeAddress("http://10.0.0.\(number):7070"))
            world.addNode(SimNode(world, name, address))
        }
        let first = world.node(1)
        first.found()
        lineage = try #require(first.facts.lineage)
        for number in 2...UInt16(plan.nodes) {
            let upstream = world.node(plan.upstreams[number] ?? 1)
            add(world.node(number), to: first, upstream: upstream === first ? nil : upstream)
            try world.run(atMost: .seconds(10)) { world.node(number).facts.number != nil }
        }
        if plan.minInSync > 0 { demand(plan.minInSync) }
        try settle()
    }

    /// A node that is up and belongs to nobody.
    func newcomer(_ number: UInt16) throws -> SimNode {
        let name = try #require(NodeName("n\(number)"))
        let address = try #require(NodeAddress("http://10.0.0.\(number):7070"))
        let node = SimNode(world, name, address)
        world.addNode(node)
        return node
    }

    subscript(number: UInt16) -> SimNode { world.node(number) }

    var nodes: [SimNode] { world.nodes }

    /// The node that reigns in the highest reign, of those that say so. A fork's is another cluster.
    var primary: SimNode? {
        nodes.filter { $0.reign != nil && $0.facts.lineage == lineage }.max {
            ($0.reign ?? .none) < ($1.reign ?? .none)
        }
    }

    /// Answers wait for so many replicas from now on.
    func demand(_ minInSync: Int) {
        primary?.change { document, note in
            var request = TopologyRequest(document)
            request.minInSyncReplicas = minInSync
            return document.applying(
                request, nextNumber: document.nextNumber(after: document.primary), note: note)
        }
    }

    /// Takes `node` in as a replica of `primary`, and may discard what it has.
    func add(_ node: SimNode, to primary: SimNode, upstream: SimNode? = nil) {
        primary.change { document, note in
            let number = document.nextNumber(after: world.highestNumber)
            world.highestNumber = NodeNumber(rawValue: number.rawValue + 1)
            for other in nodes { other.discarding.insert(number) }
            return document.addingReplica(
                node.name, at: node.address, number: number,
                upstream: upstream?.facts.number ?? document.primary, note: note)
        }
    }

    /// `count` clients write to `node`, one after the other, `pause` apart.
    mutating func write(_ count: Int, to node: SimNode, pause: Duration = .milliseconds(5)) throws {
        for _ in 0..<count {
            writes += 1
            node.write(writes)
            try world.run(pause)
        }
    }

    /// Nobody hears `node`, nor does it hear anybody.
    func isolate(_ node: SimNode) {
        for other in nodes where other !== node {
            world.network.cut(node, other)
            world.network.cut(other, node)
        }
    }

    /// Waits until a node is primary of the cluster, other than `old`.
    func newPrimary(after old: SimNode? = nil) throws -> SimNode {
        _ = try world.run(atMost: .seconds(30)) { primary.map { $0 !== old } ?? false }
        return try #require(primary.flatMap { $0 === old ? nil : $0 }, "\(world.tail())")
    }

    /// Waits until everybody has what the primary has.
    func settle(atMost limit: Duration = .seconds(60)) throws {
        let isEqual = try world.run(atMost: limit) { isSettled }
        try #require(isEqual, "not equal after \(limit):\n\(summary)\n\(world.tail())")
    }

    /// The same, whatever `node` does meanwhile.
    func settleWithout(_ node: SimNode) throws {
        let isEqual = try world.run(atMost: .seconds(60)) {
            primary.map { primary in
                nodes.allSatisfy { $0 === node || $0.position == primary.position }
            } ?? false
        }
        try #require(isEqual, "not equal:\n\(summary)\n\(world.tail())")
    }

    var isSettled: Bool {
        guard let primary, let document = primary.document,
            document == primary.store?.state.document
        else { return false }
        guard
            nodes.count(where: { $0.reign != nil && $0.facts.lineage == primary.facts.lineage })
                == 1
        else { return false }
        return document.replicas.allSatisfy { spec in
            guard let record = document.node(numbered: spec.node),
                let node = world.node(at: record.address)
            else { return false }
            return node.isUp && node.session?.machine.state == .streaming
                && node.position == primary.position
        }
    }

    /// Where everybody is: for a run that has failed.
    var summary: String { nodes.map(describe).joined(separator: "\n") }

    private func describe(_ node: SimNode) -> String {
        func word(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "-" }
        let machine = node.session?.machine
        var words = ["\(node.name): \(node.isUp ? "up" : "down"), \(node.roleWord)"]
        words.append("at \(node.position.index) of reign \(word(node.store?.state.reign))")
        words.append("knows \(word(node.document?.version)), promised \(word(node.facts.promised))")
        words.append("\(word(machine?.state.word.rawValue)) \(word(machine?.lastError?.code))")
        words.append(machine?.lastError?.detail ?? "")
        return words.joined(separator: "; ")
    }
}

extension Reign {
    static let none = Reign(term: 0, holder: NodeNumber(rawValue: 0))
}
