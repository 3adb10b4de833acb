import Engine
import Log
import Platform
import Testing
import Topology

@testable import Node

/// One node in this process, without HTTP: founding, writing, restarting.
@Suite struct NodeLifeTests {
    private func options(_ directory: String) throws -> NodeOptions {
        NodeOptions(
            dataPath: directory, address: try #require(NodeAddress("http://127.0.0.1:1")))
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/convoy-node-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileSystem.removeTree(directory) }
        try body(directory)
    }

    private func put(_ node: Node, _ key: String, _ value: String) -> Position? {
        let change = WriteKeys(
            namespace: .default, writes: [.put(key: Array(key.utf8), value: Array(value.utf8))])
        guard case .success(let committed)? = node.commit(change, until: .now() + .seconds(60))
        else {
            return nil
        }
        return committed.position
    }

    private func value(_ node: Node, _ key: String) throws -> String? {
        let engine = try #require(node.engine)
        let namespace = try #require(engine.state.catalog.namespace(named: .default))
        return try engine.value(of: Array(key.utf8), in: namespace)
            .map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    private func awaitPrimary(_ node: Node) -> Bool {
        let deadline = MonotonicTime.now() + .seconds(60)
        while !node.isWritable && MonotonicTime.now() < deadline {
            _ = Monitor(()).wait(until: .now() + .milliseconds(20)) { _ -> Void? in nil }
        }
        return node.isWritable
    }

    /// A thread of the node that has stopped may still look at its state, and until it has, RocksDB
    /// lets nobody else in.
    private func startAgain(_ directory: String) throws -> Node {
        let deadline = MonotonicTime.now() + .seconds(60)
        while true {
            do {
                return try Node.start(options(directory))
            } catch is EngineError where MonotonicTime.now() < deadline {
                _ = Monitor(()).wait(until: .now() + .milliseconds(20)) { _ -> Void? in nil }
            }
        }
    }

    @Test func `a fresh directory becomes a cluster of one that takes writes`() throws {
        try withDirectory { directory in
            let node = try Node.start(options(directory))
            defer { node.stop(until: .now() + .seconds(60)) }
            #expect(node.isWritable)
            #expect(node.unreadiness().isEmpty)
            #expect(put(node, "a", "1")?.index == LogIndex(2))
            #expect(try value(node, "a") == "1")
            let sync = node.sync()
            #expect(sync.inSync)
            #expect(sync.converged)
            #expect(sync.primary == "n1")
            #expect(sync.nodes.count == 1)
        }
    }

    @Test func `a restart opens a new reign and keeps what was written`() throws {
        try withDirectory { directory in
            let first = try Node.start(options(directory))
            _ = put(first, "a", "1")
            let before = first.document?.version
            first.stop(until: .now() + .seconds(60))

            let second = try startAgain(directory)
            defer { second.stop(until: .now() + .seconds(60)) }
            #expect(awaitPrimary(second))
            #expect(try value(second, "a") == "1")
            let after = second.document?.version
            #expect(after.map { $0 > (before ?? $0) } == true)
            #expect(put(second, "a", "2") != nil)
            #expect(try value(second, "a") == "2")
        }
    }

    @Test func `a directory answers to its own name only`() throws {
        try withDirectory { directory in
            let node = try Node.start(options(directory))
            node.stop(until: .now() + .seconds(60))
            var other = try options(directory)
            other.name = NodeName("n7")
            #expect(throws: NodeStartError.self) { try Node.start(other) }
        }
    }

    @Test func `a node that holds nothing lets itself be adopted and then waits for a state`()
        throws
    {
        try withDirectory { directory in
            let node = try Node.start(options(directory))
            defer { node.stop(until: .now() + .seconds(60)) }
            let answer = try adopt(node, discardData: false)
            guard case .success = answer else {
                Issue.record("refused: \(answer)")
                return
            }
            #expect(node.engine == nil)
            #expect(!node.isWritable)
            #expect(node.report().position == .origin)
            #expect(node.report().configured?.role == .replica)
        }
    }

    @Test func `a node that holds data is adopted only when that may be discarded`() throws {
        try withDirectory { directory in
            let node = try Node.start(options(directory))
            defer { node.stop(until: .now() + .seconds(60)) }
            _ = put(node, "a", "1")
            guard case .failure(.holdsUserData(keys: 1, _)) = try adopt(node, discardData: false)
            else {
                Issue.record("adopted")
                return
            }
            #expect(node.isWritable)
            guard case .success = try adopt(node, discardData: true) else {
                Issue.record("refused")
                return
            }
            #expect(node.engine == nil)
            // What was written is kept until the full sync knows where the histories part.
            #expect(node.state.foreign != nil)
        }
    }

    private func adopt(
        _ node: Node, discardData: Bool
    ) throws -> Result<Void, AdoptionRefusal> {
        let primary = NodeRecord(
            number: NodeNumber(rawValue: 1), name: try #require(NodeName("p")),
            address: try #require(NodeAddress("http://127.0.0.1:2")))
        let number = NodeNumber(rawValue: 2)
        let founding = TopologyDocument.founding(
            primary, note: ChangeNote(at: .now(), by: "test"))
        let changed = founding.addingReplica(
            node.name, at: node.options.address, number: number, upstream: primary.number,
            note: ChangeNote(at: .now(), by: "test"))
        guard case .success(.changed(let document)) = changed else {
            throw NodeStartError.cannotOpen("no document")
        }
        let request = AdoptionRequest(
            lineage: .random(), number: number, name: node.name, document: document,
            discardData: discardData)
        let deadline = MonotonicTime.now() + .seconds(60)
        while true {
            let outcome = Monitor<Result<Void, AdoptionRefusal>?>(nil)
            node.adopt(request) { result in outcome.update { $0 = result } }
            let result = try #require(outcome.wait(until: deadline) { $0 })
            // Its committer, stalled for seconds, had not ended: it is to be asked again.
            if case .failure(.failed) = result, .now() < deadline { continue }
            return result
        }
    }
}
