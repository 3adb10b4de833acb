public import JSON
import Platform

/// Some nodes, of which the first began as primary.
public final class TestCluster: Sendable {
    public let scratch: ScratchDirectory
    private let flags: [String]
    private let members = Monitor<[ConvoyProcess]>([])

    /// All but the first of `count` nodes are taken in as replicas and in sync on return; `flags` are
    /// of every node, also of those that come later.
    public init(nodes count: Int = 1, flags: [String] = []) throws {
        scratch = try ScratchDirectory.current ?? ScratchDirectory("cluster")
        self.flags = flags
        try start(try makeNode())
        for _ in 1..<max(1, count) { try addReplica() }
    }

    /// Without nodes yet.
    public init(empty flags: [String]) throws {
        scratch = try ScratchDirectory.current ?? ScratchDirectory("cluster")
        self.flags = flags
    }

    public var nodes: [ConvoyProcess] { members.withLock { $0 } }

    public subscript(place: Int) -> ConvoyProcess { nodes[place] }

    /// The first node, which is primary unless a test has made another one.
    public var primary: ConvoyProcess { self[0] }

    /// A node that belongs to this test, not started yet: `n1`, `n2`, … unless named.
    public func makeNode(
        name: String? = nil, flags: [String] = [], port: UInt16? = nil, address: String? = nil
    ) throws -> ConvoyProcess {
        let node = try ConvoyProcess(
            name: name ?? "n\(nodes.count + 1)", in: scratch, flags: self.flags + flags,
            port: port, address: address)
        members.update { $0.append(node) }
        return node
    }

    /// Starts a node that was made, and waits for it to be ready.
    @discardableResult
    public func start(_ node: ConvoyProcess) throws -> ConvoyProcess {
        try node.start()
        return node
    }

    /// Starts a fresh node and takes it in; blocks until everything is in sync.
    @discardableResult
    public func addReplica(
        flags: [String] = [], port: UInt16? = nil, address: String? = nil
    ) throws -> ConvoyProcess {
        let node = try start(makeNode(flags: flags, port: port, address: address))
        try takeIn(node)
        return node
    }

    /// Takes in a node that runs; blocks until everything is in sync.
    public func takeIn(_ node: ConvoyProcess, options: JSONObject = JSONObject()) throws {
        let operation = try beginTakingIn(node, options: options)
        try primary.client.waitUntilDone(operation)
        try primary.client.waitUntilInSync()
    }

    /// Answers the operation's id.
    public func beginTakingIn(
        _ node: ConvoyProcess, options: JSONObject = JSONObject()
    ) throws -> String {
        let answer = try primary.client.addNode(at: node.address, options: options).expecting(202)
        guard let operation = answer["id"]?.stringValue else {
            throw ClusterFailure("no operation id in \(answer)")
        }
        return operation
    }
}
