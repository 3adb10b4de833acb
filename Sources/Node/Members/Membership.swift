import Engine
import Log
import Topology

/// The cluster that a node belongs to and the newest document of it, read together. Pure.
///
/// A fork changes both at once, in its state, before `node.json` says so; an adoption changes
/// `node.json` while the old state is still there. A document must never be shown under a lineage
/// that it is not of: whoever believed it would take the fork for its own cluster.
struct Membership: Sendable {
    let lineage: Lineage?
    /// Nil when this node knows none.
    let document: TopologyDocument?

    init(_ facts: NodeFacts, _ applied: (lineage: Lineage, document: TopologyDocument?)?) {
        guard let applied else {
            lineage = facts.lineage
            document = facts.document
            return
        }
        if facts.forking == applied.lineage {
            lineage = applied.lineage
            document = applied.document
            return
        }
        lineage = facts.lineage
        guard facts.lineage == nil || facts.lineage == applied.lineage else {
            document = facts.document
            return
        }
        guard let told = facts.document, let own = applied.document else {
            document = applied.document ?? facts.document
            return
        }
        document = own.version < told.version ? told : own
    }

    /// Reads the state after the facts. A fork is noted there before its entry is applied, so a
    /// state of an unknown lineage means that the facts have changed meanwhile: they are read again.
    init(facts: () -> NodeFacts, applied: () -> EngineState?) {
        let first = facts()
        let state = applied().map { ($0.header.lineage, $0.catalog.topology) }
        let isKnown = state.map { first.lineage == $0.0 || first.forking == $0.0 } ?? true
        self.init(isKnown ? first : facts(), state)
    }

    var both: (lineage: Lineage?, document: TopologyDocument?) { (lineage, document) }
}
