import Engine
import Log
import Platform
import Replication
import Testing
import Topology

/// A primary, its source behind a real socket, and a replica's session on a second node.
final class Pair: Sendable {
    let primary: TestNode
    let replica: TestNode
    let server: LoopbackServer
    let source: Source
    let finished = Cell<[SyncFinished]>([])
    let fullSyncs = Cell<[FullSyncSummary]>([])
    let words = Cell<[PeerWord]>([])
    /// Each once, also those that the next attempt has made up for.
    let errors = Cell<[LinkError]>([])
    let applied = Cell(0)
    let session = Cell<ReplicaSession?>(nil)
    let rate = Cell<UInt64?>(nil)
    private let ticking = Cell(true)

    /// The primary has `entries` values of 1 KiB from the start.
    init(entries: Int = 0, primary: TestNode? = nil, replica: TestNode? = nil) throws {
        server = try LoopbackServer()
        if let primary {
            self.primary = primary
        } else {
            self.primary = try TestNode(1, port: server.port)
            try self.primary.bear()
        }
        self.replica = try replica ?? TestNode(2)
        source = self.primary.makeSource()
        if primary == nil { try self.primary.adopt(self.replica) }
        let source = self.source
        self.primary.engine.value?.observe { source.enginePublished($0) }
        for number in 0..<entries {
            try self.primary.put("k\(number)", noise(1024, seed: UInt64(number)))
        }
        server.serve(source) { [primary = self.primary] in primary.identity }
        let ticking = self.ticking
        _ = WorkerThread(name: "test-tick") {
            while ticking.value {
                source.tick(at: .now())
                _ = Monitor(0).wait(until: .now() + .milliseconds(100)) { _ in nil as Bool? }
            }
        }
    }

    func start(_ number: UInt64 = 1, forced: FullSyncReason? = nil) throws {
        let upstream = NodeRecord(
            number: primary.record.number, name: primary.record.name,
            address: try #require(NodeAddress("http://127.0.0.1:\(server.port)")))
        let started = ReplicaSession(
            number: number, upstream: upstream, environment: environment(), forcedReason: forced)
        session.value = started
        started.start()
    }

    private func environment() -> ReplicaEnvironment {
        ReplicaEnvironment(
            identity: { [replica] in replica.identity }, signing: .none,
            engineOptions: replica.options(), dataDirectory: replica.data,
            engine: { [replica] in replica.engine.value },
            apply: { [self] number, engine, records, bytes throws(EngineError) in
                guard session.value?.number == number else { return false }
                try engine.apply(records, encoded: bytes)
                applied.change { $0 += records.count }
                return true
            },
            install: { [self] number, engine, summary throws(EngineError) in
                guard session.value?.number == number else { return false }
                try replica.data.makeCurrent(engine.incarnation)
                // First: who sees the new state looks for what brought it.
                fullSyncs.change { $0.append(summary) }
                replica.engine.value = engine
                return true
            },
            finished: { [finished] what in finished.change { $0.append(what) } },
            told: { [words] word in words.change { $0.append(word) } },
            statusChanged: { [self] in
                guard let error = session.value?.status.lastError else { return }
                errors.change { if $0.last != error { $0.append(error) } }
            },
            syncBytesPerSecondMax: { [rate] in rate.value })
    }

    func stopSession() {
        session.value?.stop()
        session.value = nil
    }

    func timeToStopSession() -> Duration {
        let before = MonotonicTime.now()
        stopSession()
        return MonotonicTime.now() - before
    }

    /// The session's status, once it is such a one; nil when it takes too long.
    func status(_ isReached: (ReplicaStatus) -> Bool) -> ReplicaStatus? {
        var found: ReplicaStatus?
        let isFound = eventually {
            found = session.value?.status
            return found.map(isReached) ?? false
        }
        return isFound ? found : nil
    }

    /// The machine has stood still for so long that an end took the other one for gone: then there
    /// are more attempts than the test asks for.
    var hasStalled: Bool { errors.value.contains { $0.code.hasSuffix("-timeout") } }

    func stop() {
        stopSession()
        ticking.value = false
        server.stop()
        primary.abdicate()
        replica.abdicate()
    }

    func isEqual() -> Bool { replica.position == primary.position && primary.position != .origin }

    func reasons() -> [FullSyncReason] {
        fullSyncs.value.map(\.reason)
    }
}
