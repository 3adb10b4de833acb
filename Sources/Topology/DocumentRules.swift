/// The rules that hold inside one document, whatever came before it.
///
/// Work and faults are bounded: a list that is too long is one fault, and is not looked into.
struct DocumentRules {
    private let request: TopologyRequest
    private let names: Set<String>
    private let replicas: Set<String>
    private var faults: [TopologyFault] = []

    /// Every fault in the order of the document.
    static func faults(in request: TopologyRequest) -> [TopologyFault] {
        var rules = DocumentRules(request)
        rules.check()
        return rules.faults
    }

    private init(_ request: TopologyRequest) {
        self.request = request
        names = Set(request.nodes.map(\.name))
        replicas = Set(request.replicas.map(\.node))
    }

    private mutating func check() {
        let limit = TopologyDocument.nodesMax
        let lengths = [("/nodes", request.nodes.count), ("/replicas", request.replicas.count)]
        for (pointer, count) in lengths where count > limit {
            report(pointer, .tooManyNodes, "\(count) entries; a cluster has at most \(limit) nodes")
        }
        guard faults.isEmpty else { return }
        checkPrimary()
        checkReplicas()
        checkCycles()
        checkMinInSync()
        checkNodes()
        checkReason()
    }

    private mutating func checkPrimary() {
        guard let primary = request.primary, !primary.isEmpty else {
            return report("/primary", .noPrimary, "no node is named as primary")
        }
        if !isKnown(primary) { reportUnknown("/primary", primary) }
    }

    private mutating func checkReplicas() {
        // Without a primary, whoever it should be would be reported by each of its replicas.
        let hasPrimary = request.primary.map(names.contains) ?? false
        var seen: Set<String> = []
        for (at, replica) in request.replicas.enumerated() {
            let nodePointer = "/replicas/\(at)/node"
            if !isKnown(replica.node) { reportUnknown(nodePointer, replica.node) }
            if replica.node == request.primary {
                report(
                    nodePointer, .primaryIsReplica,
                    "\(replica.node) is the primary: it follows nobody")
            }
            if !seen.insert(replica.node).inserted {
                report(
                    nodePointer, .duplicateReplica, "\(replica.node) is listed as a replica twice")
            }

            let upstreamPointer = "/replicas/\(at)/upstream"
            guard let upstream = replica.upstream else {
                report(
                    upstreamPointer, .twoPrimaries,
                    "\(replica.node) has no upstream: it would be a second primary")
                continue
            }
            if !isKnown(upstream) {
                reportUnknown(upstreamPointer, upstream)
            } else if hasPrimary && upstream != request.primary && !replicas.contains(upstream) {
                report(
                    upstreamPointer, .nodeWithoutRole,
                    "\(upstream) is neither primary nor replica: nobody can follow it")
            }
        }
    }

    /// Reports each ring once, at its first replica in the document.
    private mutating func checkCycles() {
        var upstreams: [String: String] = [:]
        for replica in request.replicas where upstreams[replica.node] == nil {
            upstreams[replica.node] = replica.upstream
        }
        if let primary = request.primary { upstreams[primary] = nil }

        var done: Set<String> = []
        for replica in request.replicas {
            var path: [String] = []
            var at: String? = replica.node
            while let node = at, upstreams[node] != nil, done.insert(node).inserted {
                path.append(node)
                at = upstreams[node]
            }
            // The way ended at a node that this very way has passed: a ring.
            guard let end = at, let start = path.firstIndex(of: end) else { continue }
            let ring = path[start...]
            guard let first = request.replicas.firstIndex(where: { ring.contains($0.node) }) else {
                continue
            }
            report(
                "/replicas/\(first)/upstream", .cycle,
                "upstreams lead in a ring: \((ring + [end]).joined(separator: " → "))")
        }
    }

    private mutating func checkMinInSync() {
        guard !(0...replicas.count).contains(request.minInSyncReplicas) else { return }
        report(
            "/min_in_sync_replicas", .minInSyncUnmet,
            "\(request.minInSyncReplicas) cannot be met by \(replicas.count) replicas")
    }

    private mutating func checkNodes() {
        var names: Set<String> = []
        var owners: [String: String] = [:]
        for (at, node) in request.nodes.enumerated() {
            if NodeName(node.name) == nil {
                report(
                    "/nodes/\(at)/name", .badName,
                    """
                    a name is 1 to \(NodeName.bytesMax) of a-z 0-9 . _ - and begins with a letter \
                    or digit; self is reserved
                    """
                )
            }
            if !names.insert(node.name).inserted {
                report("/nodes/\(at)/name", .duplicateName, "\(node.name) is the name of two nodes")
            }
            guard let address = NodeAddress(node.address) else {
                report(
                    "/nodes/\(at)/address", .badAddress,
                    """
                    an address is http://host:port or https://host:port and nothing else, and not \
                    0.0.0.0
                    """)
                continue
            }
            if let owner = owners.updateValue(node.name, forKey: address.authority) {
                report(
                    "/nodes/\(at)/address", .duplicateAddress,
                    "\(address.authority) is the address of \(owner) and of \(node.name)")
            }
        }
    }

    private mutating func checkReason() {
        guard let bytes = request.reason?.utf8.count, bytes > TopologyDocument.reasonBytesMax else {
            return
        }
        report(
            "/reason", .reasonTooLong,
            "\(bytes) bytes; a reason has at most \(TopologyDocument.reasonBytesMax)")
    }

    private func isKnown(_ name: String) -> Bool { names.contains(name) }

    private mutating func reportUnknown(_ pointer: String, _ name: String) {
        report(pointer, .unknownNode, "there is no node \(name) in nodes")
    }

    private mutating func report(_ pointer: String, _ code: TopologyFault.Code, _ detail: String) {
        faults.append(TopologyFault(pointer, code, detail))
    }
}
