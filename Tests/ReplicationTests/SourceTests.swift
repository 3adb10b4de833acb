import Engine
import Log
import Platform
import Replication
import Testing
import Topology

/// The source's end against a real engine, without a network.
@Suite struct SourceTests {
    /// A primary with some entries, and a node that is its replica.
    static func pair(entries: Int = 20) throws -> (primary: TestNode, replica: TestNode, Source) {
        let primary = try TestNode(1)
        try primary.bear()
        let replica = try TestNode(2)
        try primary.adopt(replica)
        for number in 0..<entries { try primary.put("k\(number)", noise(500, seed: 1)) }
        let source = primary.makeSource()
        primary.engine.value?.observe { source.enginePublished($0) }
        return (primary, replica, source)
    }

    static func open(_ source: Source, _ request: FeedRequest) throws -> Feed {
        try source.openFeed(request).get()
    }

    /// Reads until there is nothing, in pieces of `max`.
    static func drain(_ feed: Feed, max: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while case .bytes(let more) = feed.read(max: max) {
            #expect(more.count <= max && !more.isEmpty)
            bytes += more
        }
        return bytes
    }

    @Test(arguments: [1, 7, 100, 4096, 1 << 20])
    func `a feed's bytes make a second engine the same, whatever the pieces`(max: Int) throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let lineage = try #require(primary.lineage.value)
        let copy = try Engine.create(
            in: try replica.data.makeIncarnation(), lineage: lineage, options: replica.options())
        let begun = MonotonicTime.now()
        let feed = try Self.open(source, replica.request(after: .origin))
        var stream = RecordStream(after: .origin)
        var heartbeats = 0
        let bytes = Self.drain(feed, max: max)
        let seconds = (MonotonicTime.now() - begun).inSeconds
        for start in stride(from: 0, to: bytes.count, by: max) {
            stream.push(Array(bytes[start..<min(bytes.count, start + max)]))
            while true {
                if let run = try stream.nextRun(bytesMax: 1 << 20) {
                    try copy.apply(run.records, encoded: run.encoded)
                } else if let frame = try stream.next() {
                    guard case .heartbeat(let beat) = frame else { continue }
                    heartbeats += 1
                    #expect(beat.originPosition == primary.position)
                } else {
                    break
                }
            }
        }
        #expect(copy.state.position == primary.position)
        #expect(copy.state.header == primary.engine.value?.state.header)
        // One at once, and one for each second that the reading took.
        #expect(heartbeats >= 1 && Double(heartbeats) <= 1 + seconds)
    }

    @Test func `a feed that waits is woken by an entry, and gives it`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let feed = try Self.open(source, replica.request(after: primary.position))
        let wakes = Cell(0)
        feed.onWake { wakes.change { $0 += 1 } }
        _ = Self.drain(feed, max: 1 << 20)
        let before = wakes.value
        let position = try primary.put("new", [1])
        #expect(wakes.wait { $0 > before })
        var stream = RecordStream(
            after: Position(
                index: LogIndex(position.index.rawValue - 1),
                hash: try primary.log.position(at: LogIndex(position.index.rawValue - 1)).hash))
        stream.push(Self.drain(feed, max: 1 << 20))
        #expect(try stream.nextRun(bytesMax: 1 << 20)?.records.last?.position == position)
    }

    @Test func `a position with another hash, behind, ahead: each has its refusal`() throws {
        let (primary, replica, source) = try Self.pair(entries: 1_200)
        defer { primary.abdicate() }
        func code(_ position: Position) -> String? {
            switch source.openFeed(
                replica.request(
                    after: position,
                    lastReign: Reign(
                        term: 1, holder: primary.record.number)))
            {
            case .success: nil
            case .failure(let refusal): refusal.code
            }
        }
        let other = Position(index: LogIndex(5), hash: Hash128(high: 1, low: 1))
        #expect(code(other) == "history-damaged")
        #expect(code(Position(index: LogIndex(9_999), hash: .zero)) == "upstream-behind")
        _ = try primary.log.trim(keepingFrom: primary.position.index, bytesMin: 0)
        let trimmed = try #require(primary.engine.value).log.first
        try #require(trimmed > LogIndex(5))
        #expect(code(other) == "position-not-retained")
    }

    @Test func `a new session of a replica ends the old one's feed`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let first = try Self.open(source, replica.request(after: primary.position, session: "a"))
        let aborted = Cell(false)
        first.onAbort { aborted.value = true }
        let second = try Self.open(source, replica.request(after: primary.position, session: "b"))
        #expect(aborted.value)
        #expect(first.read(max: 100) == .abort)
        first.closed()
        #expect(source.links().map(\.id) == ["b"])
        second.closed()
        #expect(source.links().isEmpty)
    }

    @Test func `acknowledgements count once the replica serves this history`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let feed = try Self.open(source, replica.request(after: .origin, session: "a"))
        _ = Self.drain(feed, max: 1 << 20)
        let index = primary.position.index
        var peer = replica.identity
        peer.session = "a"
        // Catching up: another state serves, which may even be of another history.
        let catchingUp = replica.report(
            session: "a", applied: Position(index: LogIndex(5_000), hash: .zero), received: index,
            state: .fullSync)
        try source.acknowledge(catchingUp, from: peer).get()
        #expect(source.acked(atLeast: LogIndex(1), durable: false) == 0)
        #expect(source.links().first?.state == .fullSync)

        let streaming = replica.report(session: "a", applied: primary.position)
        try source.acknowledge(streaming, from: peer).get()
        #expect(source.acked(atLeast: index, durable: true) == 1)
        #expect(source.acked(atLeast: index.next, durable: false) == 0)
        #expect(source.acknowledgedIndexes == [replica.record.number: index])
        #expect(source.links().first?.lag == Lag.none)
    }

    @Test func `who says nothing is not counted on soon, long before its link is ended`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let feed = try Self.open(source, replica.request(after: .origin, session: "a"))
        var peer = replica.identity
        peer.session = "a"
        // Again where the machine stood still for seconds in between: the link is stalled then.
        let isLinked = try eventually {
            _ = Self.drain(feed, max: 1 << 20)
            let before = MonotonicTime.now()
            try source.acknowledge(
                replica.report(session: "a", applied: primary.position), from: peer
            ).get()
            return source.linkedReplicas(at: before) == [replica.record.number]
        }
        #expect(isLinked)
        #expect(source.linkedReplicas(at: .now() + .seconds(3)) == [])
        #expect(source.applied(by: replica.record.number) != nil, "what it had it has")
        feed.closed()
        #expect(source.linkedReplicas() == [])
    }

    @Test func `a report of a session that has no link here is refused`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        var peer = replica.identity
        peer.session = "ghost"
        guard
            case .failure(let refusal) = source.acknowledge(
                replica.report(session: "ghost", applied: primary.position), from: peer)
        else {
            Issue.record("accepted")
            return
        }
        #expect(refusal.code == "no-such-link")
    }

    @Test func `a wait for acknowledgements is met by the index, or ends at its deadline`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let feed = try Self.open(source, replica.request(after: .origin, session: "a"))
        _ = Self.drain(feed, max: 1 << 20)
        let index = primary.position.index
        let met = Cell<AckOutcome?>(nil)
        let late = Cell<AckOutcome?>(nil)
        let soon = MonotonicTime.now() + .milliseconds(30)
        #expect(
            source.whenAcked(index, count: 1, durable: false, deadline: .distantFuture) {
                met.value = $0
            })
        #expect(
            source.whenAcked(index, count: 2, durable: false, deadline: soon) { late.value = $0 })
        // The replica is asked to hurry.
        var stream = RecordStream(after: primary.position)
        stream.push(Self.drain(feed, max: 1 << 20))
        #expect(try stream.next() == .ackWanted)
        #expect(met.value == nil)

        var peer = replica.identity
        peer.session = "a"
        try source.acknowledge(replica.report(session: "a", applied: primary.position), from: peer)
            .get()
        #expect(met.value == AckOutcome(index: index, wanted: 1, reached: 1))
        #expect(late.value == nil)
        source.tick(at: soon)
        #expect(late.value == AckOutcome(index: index, wanted: 2, reached: 1))
        #expect(late.value?.isMet == false)
    }

    @Test func `enforcing a topology ends links and leases of who is out of it, and only those`()
        throws
    {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let third = try TestNode(3)
        try primary.adopt(third)
        replica.document.value = primary.document.value
        let kept = try Self.open(source, replica.request(after: primary.position, session: "a"))
        let gone = try Self.open(source, third.request(after: primary.position, session: "b"))
        var peer = third.identity
        peer.session = "b"
        let manifest = try source.openSnapshot(peer, remoteAddress: "").get()
        let aborted = Cell(false)
        gone.onAbort { aborted.value = true }
        let before = try #require(primary.document.value)
        try primary.change(
            to: before, nodes: before.nodes,
            replicas: before.replicas.filter { $0.node == replica.record.number })
        source.enforce(try #require(primary.document.value))
        #expect(aborted.value)
        #expect(source.links().map(\.id) == ["a"])
        #expect(source.snapshots.oldestPinnedIndex == nil)
        guard
            case .failure(let refusal) = source.snapshotFile(
                manifest.id, manifest.files[0].name, for: peer)
        else {
            Issue.record("served")
            return
        }
        #expect(refusal.code == "not-in-topology")
        if case .abort = kept.read(max: 10) { Issue.record("the kept feed was ended") }
    }

    // MARK: - Snapshots

    @Test func `a snapshot holds the state at its position, its files their hashes`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let manifest = try source.snapshots.take(for: replica.record.number)
        #expect(manifest.position == primary.position)
        #expect(manifest.lineage == primary.lineage.value)
        let target = try replica.data.makeIncarnation()
        try FileSystem.createDirectory(target.databasePath)
        for file in manifest.files {
            let found = try #require(
                source.snapshots.file(manifest.id, file.name, for: replica.record.number))
            let bytes = try FileSystem.readAll(found.path)
            #expect(UInt64(bytes.count) == file.size)
            #expect(Hash128(of: bytes) == file.hash)
            try File("\(target.databasePath)/\(file.name)", .create).append(bytes)
        }
        let engine = try Engine.openSnapshot(
            target, expecting: manifest.position, options: replica.options())
        #expect(engine.state.header == primary.engine.value?.state.header)
    }

    @Test func `a name that is not in the manifest opens nothing`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let manifest = try source.snapshots.take(for: replica.record.number)
        for name in ["../../CURRENT", "..", "LOCK", "", "/etc/passwd"] {
            #expect(source.snapshots.file(manifest.id, name, for: replica.record.number) == nil)
        }
        #expect(source.snapshots.file("nope", "CURRENT", for: replica.record.number) == nil)
        // Nor does somebody without a lease.
        #expect(
            source.snapshots.file(manifest.id, "CURRENT", for: NodeNumber(rawValue: 9)) == nil)
    }

    @Test func `replicas that ask at the same time share one checkpoint`() throws {
        let (primary, _, source) = try Self.pair()
        defer { primary.abdicate() }
        let ids = Cell<[String]>([])
        for number in 2..<8 {
            _ = WorkerThread(name: "test") {
                let manifest = try? source.snapshots.take(for: NodeNumber(rawValue: UInt16(number)))
                ids.change { $0.append(manifest?.id ?? "failed") }
            }
        }
        #expect(ids.wait { $0.count == 6 })
        #expect(Set(ids.value).count == 1)
    }

    @Test func `a lease pins the log, is renewed by a touch, and ends by release or time`() throws {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let snapshots = source.snapshots
        let number = replica.record.number
        let manifest = try snapshots.take(for: number)
        try primary.put("more", [1])
        #expect(snapshots.oldestPinnedIndex == manifest.position.index)
        let before = MonotonicTime.now()
        let path = try #require(snapshots.file(manifest.id, "CURRENT", for: number)).path
        snapshots.expire(at: before + .seconds(29))
        #expect(snapshots.oldestPinnedIndex == manifest.position.index)
        snapshots.expire(at: .now() + .seconds(31))
        #expect(snapshots.oldestPinnedIndex == nil)
        #expect(!FileSystem.exists(path))

        let second = try snapshots.take(for: number)
        #expect(second.id != manifest.id)
        snapshots.release(second.id, for: number)
        #expect(snapshots.oldestPinnedIndex == nil)
    }

    @Test(arguments: [ReplicaStateWord.fullSync, .streaming])
    func `a lease is renewed by who still needs it, not by who serves`(state: ReplicaStateWord)
        throws
    {
        let (primary, replica, source) = try Self.pair()
        defer { primary.abdicate() }
        let manifest = try source.snapshots.take(for: replica.record.number)
        let taken = MonotonicTime.now()
        _ = try Self.open(source, replica.request(after: primary.position, session: "a"))
        _ = Monitor(()).wait(until: taken + .milliseconds(20)) { _ -> Void? in nil }
        var peer = replica.identity
        peer.session = "a"
        let report = replica.report(session: "a", applied: primary.position, state: state)
        try source.acknowledge(report, from: peer).get()
        source.snapshots.expire(at: taken + SnapshotStore.leaseDuration + .milliseconds(10))
        let isRenewed = source.snapshots.oldestPinnedIndex == manifest.position.index
        #expect(isRenewed == (state == .fullSync))
    }
}
