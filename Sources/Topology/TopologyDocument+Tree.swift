public import Log

extension TopologyDocument {
    /// What the document wants of the node; nil when it is unknown or has no role.
    public func role(of node: NodeNumber) -> ConfiguredRole? {
        if node == primary { return .primary }
        return upstream(of: node).map { .replica(upstream: $0) }
    }

    /// Whom the node shall follow; nil for the primary and whoever has no role.
    public func upstream(of node: NodeNumber) -> NodeNumber? {
        replicas.first { $0.node == node }?.upstream
    }

    public func node(named name: NodeName) -> NodeRecord? { nodes.first { $0.name == name } }

    public func node(numbered number: NodeNumber) -> NodeRecord? {
        nodes.first { $0.number == number }
    }

    /// The node's name, or `#7` for a number that the document does not know.
    public func label(of number: NodeNumber) -> String {
        node(numbered: number)?.name.rawValue ?? "#\(number)"
    }

    /// Who shall follow `node` directly, in ascending order.
    public func children(of node: NodeNumber) -> [NodeNumber] {
        replicas.filter { $0.upstream == node }.map(\.node)
    }

    /// Who shall follow `node`, directly or through others; parents before their children.
    public func descendants(of node: NodeNumber) -> [NodeNumber] {
        var found = children(of: node)
        var at = 0
        while at < found.count, found.count <= TopologyDocument.nodesMax {
            found += children(of: found[at])
            at += 1
        }
        return found
    }

    /// `node` and its descendants.
    public func subtree(of node: NodeNumber) -> [NodeNumber] { [node] + descendants(of: node) }
}
