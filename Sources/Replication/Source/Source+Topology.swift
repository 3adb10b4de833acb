public import Engine
public import Log
import Platform
public import Topology

/// The documents that the engine brought, and what of them is not known widely enough.
struct TopologyWatch: Sendable {
    var document: TopologyDocument?
    var changes = UnheardChanges()
}

/// Which changes of the topology writes must wait for.
extension Source {
    /// From now on `state` and what follows it counts: this node has opened, or swapped, its engine.
    /// May decode the whole history of the topology.
    public func engineBegan(_ state: EngineState) {
        let catalog = state.catalog
        let history = catalog.generations.reversed().compactMap { catalog.topology(of: $0) }
        let changes = UnheardChanges(
            history: history, heard: catalog.heardGeneration, knownAt: state.header.catalogIndex)
        unheard.withLock { $0 = TopologyWatch(document: catalog.topology, changes: changes) }
    }

    /// Called by the writer of the engine before anybody is answered whose entry comes later.
    func noteTopology(of state: EngineState) {
        unheard.withLock { watch in
            guard let document = state.catalog.topology, document.version != watch.document?.version
            else { return }
            if let before = watch.document {
                watch.changes.note(before, document, at: state.header.catalogIndex)
            }
            watch.document = document
        }
    }

    /// Looks who has heard of what meanwhile.
    func settleChanges(at now: MonotonicTime) {
        guard !unheard.withLock({ $0.changes.isEmpty }) else { return }
        let known = table.withLock { $0.acknowledged(at: now) }
        unheard.withLock { watch in
            guard let document = watch.document else { return }
            watch.changes.settle(in: document) { known[$0]?.applied ?? .zero }
        }
    }

    /// Whether a change of the topology at or before `index` is not known widely enough.
    public func isHeldBack(_ index: LogIndex) -> Bool {
        guard unheard.withLock({ $0.changes.firstHeldBack.map { $0 <= index } ?? false }) else {
            return false
        }
        settleChanges(at: .now())
        return unheard.withLock { $0.changes.firstHeldBack.map { $0 <= index } ?? false }
    }

    /// Why a write at `index` may not be answered yet, though enough replicas have it.
    public func obstacle(at index: LogIndex) -> UnheardChanges.Obstacle? {
        let known = table.withLock { $0.acknowledged(at: .now()) }
        return unheard.withLock { watch in
            guard let document = watch.document else { return nil }
            return watch.changes.obstacle(at: index, in: document) { known[$0]?.applied ?? .zero }
        }
    }

    /// Up to which generation everything is known that has to be, when that was found since the
    /// engine began and nothing is open any more.
    public var heardGeneration: Generation? {
        settleChanges(at: .now())
        return unheard.withLock { $0.changes.isEmpty ? $0.changes.heard : nil }
    }
}
