import Engine
import Log
import Platform
import Replication
import Testing
import Topology

/// A directory of its own, removed with the value.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var generator = SystemRandomNumberGenerator()
        path = "/tmp/convoy-replication-\(String(generator.next() as UInt64, radix: 36))"
        try FileSystem.createDirectory(path)
    }

    deinit { try? FileSystem.removeTree(path) }
}

/// A node's data directory, engine and, while it is primary, committer.
final class TestNode: Sendable {
    let record: NodeRecord
    let directory: TemporaryDirectory
    let data: DataDirectory
    let engine: Cell<Engine?>
    let committer: Cell<Committer?>
    let lineage: Cell<Lineage?>
    let document: Cell<TopologyDocument?>

    init(_ number: UInt16, port: UInt16? = nil) throws {
        record = NodeRecord(
            number: NodeNumber(rawValue: number), name: try #require(NodeName("n\(number)")),
            address: try #require(NodeAddress("http://127.0.0.1:\(port ?? number)")))
        directory = try TemporaryDirectory()
        data = try DataDirectory(path: directory.path)
        engine = Cell(nil)
        committer = Cell(nil)
        lineage = Cell(nil)
        document = Cell(nil)
    }

    var log: EntryLog { get throws { try #require(engine.value).log } }
    var position: Position { engine.value?.state.position ?? .origin }

    /// Makes the node the primary of a cluster of its own, in reign 1.
    func bear() throws {
        let lineage = Lineage.random()
        let incarnation = try data.makeIncarnation()
        let engine = try Engine.create(in: incarnation, lineage: lineage, options: options())
        try data.makeCurrent(incarnation)
        self.engine.value = engine
        self.lineage.value = lineage
        try reign(term: 1)
        let born = committer.value?.commit(Birth(lineage: lineage, founder: record))
        document.value = try #require(try born?.get().answer)
    }

    func options() -> EngineOptions {
        var options = EngineOptions()
        options.log.segmentBytesMax = 256 << 10
        return options
    }

    /// Takes the right to append.
    func reign(term: UInt32) throws {
        committer.value = Committer(
            engine: try #require(engine.value), reign: Reign(term: term, holder: record.number))
    }

    func abdicate() {
        committer.value?.stop(until: .now() + .seconds(5))
        committer.value = nil
    }

    @discardableResult
    func barrier() throws -> Position {
        try #require(try committer.value?.commit(Barrier())?.get().position)
    }

    @discardableResult
    func put(_ key: String, _ value: [UInt8]) throws -> Position {
        let change = WriteKeys(
            namespace: .default, writes: [.put(key: Array(key.utf8), value: value)])
        return try #require(try committer.value?.commit(change)?.get().position)
    }

    func value(of key: String) throws -> [UInt8]? {
        let engine = try #require(engine.value)
        let namespace = try #require(engine.state.catalog.namespace(named: .default))
        return try engine.value(of: Array(key.utf8), in: namespace)?.bytes
    }

    /// Adds replicas of this node, the primary, to the document and the log.
    func adopt(_ replicas: TestNode...) throws {
        let before = try #require(document.value)
        let nodes = before.nodes + replicas.map(\.record)
        let specs =
            before.replicas
            + replicas.map {
                ReplicaSpec(node: $0.record.number, upstream: record.number)
            }
        try change(to: before, nodes: nodes, replicas: specs)
        for replica in replicas {
            replica.lineage.value = lineage.value
            replica.document.value = document.value
        }
    }

    func change(
        to before: TopologyDocument, nodes: [NodeRecord], replicas: [ReplicaSpec]
    ) throws {
        let next = try #require(
            TopologyDocument(
                generation: before.generation.next, reign: before.reign, replicas: replicas,
                minInSyncReplicas: 0, nodes: nodes,
                note: ChangeNote(at: before.changedAt, by: "test")))
        document.value = next
    }

    /// Becomes primary in a new reign, with `replicas`, by an entry of the log.
    func takeOver(term: UInt32, replicas: TestNode...) throws {
        let before = try #require(engine.value?.state.catalog.topology)
        let document = try #require(
            TopologyDocument(
                generation: (self.document.value ?? before).generation.next,
                reign: Reign(term: term, holder: record.number),
                replicas: replicas.map {
                    ReplicaSpec(node: $0.record.number, upstream: record.number)
                }, minInSyncReplicas: 0, nodes: ([self] + replicas).map(\.record),
                note: ChangeNote(at: before.changedAt, by: "test")))
        try reign(term: term)
        let change = ChangeTopology(changedBy: "test") { _, _, _ in .success(.changed(document)) }
        _ = try #require(try committer.value?.commit(change)?.get())
        for node in [self] + replicas { node.document.value = document }
    }

    var identity: PeerIdentity {
        PeerIdentity(
            lineage: lineage.value, number: record.number, name: record.name.rawValue,
            reign: document.value?.reign, generation: document.value?.generation)
    }

    func makeSource(isServing: @escaping @Sendable () -> Bool = { true }) -> Source {
        Source(
            SourceEnvironment(
                engine: { [engine] in engine.value }, identity: { [self] in identity },
                topology: { [document] in document.value }, isServing: isServing,
                origin: { [self] in
                    guard let header = engine.value?.state.header, let document = document.value
                    else { return nil }
                    return OriginHeartbeat(
                        lineage: header.lineage, position: header.position, time: .now(),
                        reign: document.reign, generation: document.generation,
                        catalogIndex: header.catalogIndex, catalogDigest: header.catalogDigest,
                        receivedAt: .now())
                }))
    }

    func request(
        after position: Position? = nil, lastReign: Reign? = nil, session: String = "s1"
    ) -> FeedRequest {
        var peer = identity
        peer.session = session
        return FeedRequest(
            peer: peer, after: position ?? self.position,
            lastReign: lastReign ?? engine.value?.state.header.reign, remoteAddress: "127.0.0.1")
    }

    func report(
        session: String, applied: Position? = nil, received: LogIndex? = nil,
        state: ReplicaStateWord = .streaming
    ) -> AckReport {
        let applied = applied ?? position
        return AckReport(
            node: record.number, session: session, applied: applied,
            received: received ?? applied.index, durable: applied.index, state: state.rawValue,
            catalogDigest: .zero, catalogIndex: .zero, generation: Generation(1), diskFreeBytes: 1)
    }
}

/// Bytes that do not compress, the same for the same seed.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    var bytes: [UInt8] = []
    while bytes.count < count {
        let word = generator.next()
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * shift))) }
    }
    return Array(bytes.prefix(count))
}

/// A value that several threads change.
final class Cell<Value: Sendable>: Sendable {
    private let monitor: Monitor<Value>

    init(_ value: Value) { monitor = Monitor(value) }

    var value: Value {
        get { monitor.withLock { $0 } }
        set { monitor.update { $0 = newValue } }
    }

    func change(_ body: (inout Value) -> Void) { monitor.update { body(&$0) } }

    /// Blocks until the value fulfils `isReached`; false when it takes longer than a minute.
    func wait(_ isReached: @escaping (Value) -> Bool) -> Bool {
        monitor.wait(until: .now() + .seconds(60)) { isReached($0) ? true : nil } ?? false
    }
}

/// Looks every 5 ms whether `isReached` holds; false when it takes longer than a minute.
func eventually(_ isReached: () throws -> Bool) rethrows -> Bool {
    let pause = Monitor(())
    let deadline = MonotonicTime.now() + .seconds(60)
    while MonotonicTime.now() < deadline {
        if try isReached() { return true }
        _ = pause.wait(until: .now() + .milliseconds(5)) { _ in nil as Bool? }
    }
    return try isReached()
}
