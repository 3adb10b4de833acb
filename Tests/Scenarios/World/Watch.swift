import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// Sees every step of every node, and says which invariant of DESIGN section 2 it breaks.
///
///  1. Positions equal, histories equal; an index follows an index.
///  2. One process appends in a reign: its holder, and never again after a restart.
///  3. Reigns and times never go back on a node's log.
///  4. A full sync never leads to a lower reign, nor to a lower position in the same one.
///  5. Who has promised applies nothing that comes from a lower reign.
///  6. What was acknowledged leaves a node only into its `diverged/`, or by a power cut.
final class Watch {
    private(set) var violations: [String] = []
    /// Every entry that was ever appended, by its chain hash.
    private var made: [Hash128: Record] = [:]
    private var appenders: [Era: Appender] = [:]
    private(set) var acked: [Acked] = []
    /// What a power cut took from some node, by chain hash.
    private(set) var lostToPower: Set<Hash128> = []
    /// What a full sync replaced that was not in the log any more, so that it could not be kept.
    private(set) var lostToRetention: Set<Hash128> = []
    /// Why acknowledged entries may be missing in the end; empty: they may not.
    private(set) var excuses: [String] = []
    private(set) var count = Count()

    private struct Era: Hashable {
        var lineage: Lineage
        var reign: Reign
    }

    private struct Appender: Equatable {
        var node: NodeName
        var process: Int
    }

    struct Acked {
        var position: Position
        var lineage: Lineage
        /// How many replicas had it.
        var replicas: Int
    }

    /// What has happened in a run, so that a suite that does nothing is noticed.
    struct Count: Equatable {
        var appended = 0
        var crashes = 0
        var powerCuts = 0
        var fullSyncs = 0
        var divergences = 0
        var reigns = 0
        var aheadOfLog = 0
    }

    func note(_ change: (inout Count) -> Void) { change(&count) }

    func violate(_ text: String) { violations.append(text) }

    func excuse(_ text: String) { excuses.append(text) }

    // MARK: - Steps

    func appended(_ record: Record, by node: SimNode, in lineage: Lineage) {
        count.appended += 1
        made[record.position.hash] = record
        let era = Era(lineage: lineage, reign: record.reign)
        let appender = Appender(node: node.name, process: node.process)
        if let known = appenders[era] {
            if known != appender {
                violate(
                    "2: \(node.name) appends in reign \(record.reign), which \(known.node) held in "
                        + "its process \(known.process)")
            }
        } else {
            appenders[era] = appender
            count.reigns += 1
        }
        if record.reign.holder != node.facts.number {
            violate("2: \(node.name) appends in reign \(record.reign), which is another's")
        }
    }

    /// `node` applies an entry; `before` is where the state stood.
    func applies(_ record: Record, on before: SimState, _ node: SimNode) {
        if record.position.index != before.position.index.next {
            violate("1: \(node.name) applies \(record.position) on \(before.position)")
        }
        if made[record.position.hash] != record {
            violate("1: \(node.name) applies \(record.position), which nobody has appended")
        }
        if record.reign < before.reign || record.time < before.time {
            violate("3: \(node.name) goes back to \(record.reign) from \(before.reign)")
        }
    }

    /// `node` takes entries from an upstream that was accepted in `reign`.
    func streams(in reign: Reign?, _ node: SimNode) {
        guard let promised = node.facts.promised, let reign, reign < promised else { return }
        violate("5: \(node.name) promised \(promised) and applies what comes from \(reign)")
    }

    /// A full sync replaces the state of `node`.
    func swaps(from old: SimStore?, to new: SimStore, isForced: Bool, _ node: SimNode) {
        count.fullSyncs += 1
        guard let old else { return }
        leaves(node, old, new)
        guard old.state.lineage == new.state.lineage else { return }
        if new.state.reign < old.state.reign {
            violate("4: \(node.name) goes from reign \(old.state.reign) to \(new.state.reign)")
        }
        if new.state.reign == old.state.reign, !isForced,
            new.state.position.index < old.state.position.index
        {
            violate("4: \(node.name) goes from \(old.state.position) to \(new.state.position)")
        }
    }

    private func leaves(_ node: SimNode, _ old: SimStore, _ new: SimStore) {
        let kept = Set(node.diverged.map(\.position.hash))
        for entry in acked where !Watch.has(new.state, entry.position) {
            guard Watch.has(old.state, entry.position), !kept.contains(entry.position.hash)
            else { continue }
            if entry.position.index < old.log.first {
                lostToRetention.insert(entry.position.hash)
            } else {
                violate(
                    "6: the acknowledged entry \(entry.position) leaves \(node.name), and is not kept"
                )
            }
        }
    }

    func loses(_ records: [Record]) {
        for record in records { lostToPower.insert(record.position.hash) }
    }

    func acknowledged(_ position: Position, in lineage: Lineage, replicas: Int) {
        acked.append(Acked(position: position, lineage: lineage, replicas: replicas))
    }

    static func has(_ state: SimState, _ position: Position) -> Bool {
        position.index > .zero && position.index <= state.position.index
            && state.history[Int(position.index.rawValue) - 1].position == position
    }
}
